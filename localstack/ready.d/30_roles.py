# Makes the roles that the services assume, each trusting its service as on AWS. Policies are not enforced here.
import json
import os

import boto3

SERVICES = {
    "RDS_IMPORT_ROLE_ARN": ["rds.amazonaws.com"],
    "RDS_EXPORT_ROLE_ARN": ["rds.amazonaws.com"],
    "EMR_RUNTIME_ROLE_ARN": ["emr-serverless.amazonaws.com"],
    "REDSHIFT_ROLE_ARN": ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"],
}
place = {"endpoint_url": os.environ["S3_ENDPOINT_URL"], "region_name": os.environ["AWS_REGION"]}
iam = boto3.client("iam", **place)
made = set()
for setting, services in SERVICES.items():
    arn = os.environ[setting]
    resource = arn.split(":", 5)[-1]
    if not arn.startswith("arn:aws:iam::") or not resource.startswith("role/"):
        raise ValueError(f"{setting}={arn!r} is not a role's ARN")
    if arn in made:
        continue
    path, name = resource.removeprefix("role").rsplit("/", 1)
    trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, Path=f"{path}/", AssumeRolePolicyDocument=policy)
    made.add(arn)
# The first call loads STS, so that no job waits for it.
boto3.client("sts", **place).get_caller_identity()
print(f"s3: {len(made)} roles", flush=True)
