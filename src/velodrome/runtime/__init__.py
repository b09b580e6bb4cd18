"""Installs and runs the whole stack as host processes, where there is no container engine."""
