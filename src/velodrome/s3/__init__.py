"""S3, and IAM and STS beside it: LocalStack, started on one loopback port with its files inside VELODROME_HOME."""
