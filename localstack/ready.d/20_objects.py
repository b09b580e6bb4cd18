# Fills the source bucket as the deployment on AWS does: the data set, the Spark job, Airflow's requirements. What is
# there already stays, so it can be run at any time to bring a changed file there, and says only what it did.
import hashlib
import os
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig

project = Path(os.environ["VELODROME_PROJECT"])
bucket = os.environ["SOURCE_BUCKET"]
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"], region_name=os.environ["AWS_REGION"])
PART = 8 * 1024 * 1024
transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)


def etag(file):
    # What S3 calls an object's ETag: MD5, of the parts' MD5s if it was uploaded in parts.
    with file.open("rb") as content:
        sums = [hashlib.md5(part, usedforsecurity=False) for part in iter(lambda: content.read(PART), b"")]
    if file.stat().st_size < PART:
        return (sums or [hashlib.md5(usedforsecurity=False)])[0].hexdigest()
    return f"{hashlib.md5(b''.join(part.digest() for part in sums), usedforsecurity=False).hexdigest()}-{len(sums)}"


given = os.environ["DATASET"]
dataset = (project / Path(given).expanduser()) if given else Path(os.environ["VELODROME_HOME"], "dataset")
tables = sorted(dataset.glob("*.csv"))
if given and not tables:
    raise FileNotFoundError(f"DATASET={given}: there is no CSV file in {dataset}")
if not tables:
    print(f"s3: no data set in {dataset} yet, dataset/ stays empty", flush=True)

objects = {f"dataset/{table.name}": table for table in tables}
objects["script/spark_job.py"] = project / "spark" / "jobs" / "spark_job.py"
objects["ec2/requirements.txt"] = project / "airflow" / "requirements.txt"
stored = {
    entry["Key"]: entry["ETag"].strip('"')
    for prefix in sorted({key.split("/")[0] for key in objects})
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    for entry in page.get("Contents", ())
}
for key, file in objects.items():
    if not file.is_file():
        raise FileNotFoundError(f"s3://{bucket}/{key} is made from {file}, which is missing")
    if stored.get(key) != etag(file):
        s3.upload_file(str(file), bucket, key, Config=transfer)
        print(f"s3: {file.name} is now s3://{bucket}/{key}", flush=True)
