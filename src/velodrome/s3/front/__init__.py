"""What stands before the engine: who is let in, in S3's own words. Knows no engine."""
