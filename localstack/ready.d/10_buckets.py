# Makes the four buckets: S3 starts empty each time.
import os

import boto3

region = os.environ["AWS_REGION"]
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"], region_name=region)
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: us-east-1 must not be named.
place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
for setting in ("SOURCE_BUCKET", "RAW_BUCKET", "PROCESSED_BUCKET", "LOG_BUCKET"):
    s3.create_bucket(Bucket=os.environ[setting], **place)
    print(f"s3: bucket {os.environ[setting]}", flush=True)
