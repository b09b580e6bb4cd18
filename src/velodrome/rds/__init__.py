"""The source database: PostgreSQL as RDS gives it, with the extensions aws_commons and aws_s3."""
