"""Job runs: when they start, with what, in which process, and how they end."""
