# Fills the source bucket as the deployment on AWS does: the data set, the Spark job, Airflow's requirements.
import os
from pathlib import Path

import boto3

project = Path(os.environ["VELODROME_PROJECT"])
bucket = os.environ["SOURCE_BUCKET"]
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"], region_name=os.environ["AWS_REGION"])

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
for key, file in objects.items():
    if not file.is_file():
        raise FileNotFoundError(f"s3://{bucket}/{key} is made from {file}, which is missing")
    s3.upload_file(str(file), bucket, key)
print(f"s3: {len(objects)} objects in {bucket}", flush=True)
