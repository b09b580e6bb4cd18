"""S3's durable store: bodies as immutable files, everything else as rows of one SQLite index, LocalStack in front."""
