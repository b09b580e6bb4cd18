"""What S3 asks of a request's members, where LocalStack's provider asks less or something else."""
