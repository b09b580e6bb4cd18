# Makes the four buckets where they are missing: S3 keeps its data.
import os

import boto3

region = os.environ["AWS_REGION"]
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"], region_name=region)
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html: us-east-1 must not be named.
place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
for setting in ("SOURCE_BUCKET", "RAW_BUCKET", "PROCESSED_BUCKET", "LOG_BUCKET"):
    name = os.environ[setting]
    if name not in there:
        s3.create_bucket(Bucket=name, **place)
        there.add(name)
        print(f"s3: bucket {name}", flush=True)
