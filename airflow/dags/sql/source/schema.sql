-- The source's schema and the extension that reads and writes S3.
CREATE SCHEMA IF NOT EXISTS store;

-- https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PostgreSQL.S3Import.InstallExtension.html
CREATE EXTENSION IF NOT EXISTS aws_s3 CASCADE;
