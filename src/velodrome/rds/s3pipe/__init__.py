"""What `COPY … PROGRAM` runs for the extension aws_s3: a stream between the server and objects in S3."""
