"""A job has its execution role's rights and no others: against an S3 and an STS that enforce them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_s3_cases import BUCKET, REGION
from emr_serverless_stack import ENDED, JOB_LIMIT
from strict_aws import StrictAws, run_strict_aws

from velodrome.testing import own_settings, start_service, wait_until

JOB = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print(spark.read.text(sys.argv[1]).first()[0])
spark.range(1).write.parquet(sys.argv[2])
"""


class Rights:
    """EMR Serverless beside the strict AWS, with one application."""

    def __init__(self, strict: StrictAws, emr: Any) -> None:
        self.strict = strict
        self.emr = emr
        self.application = emr.create_application(releaseLabel="emr-spark-8.0.0", type="SPARK")["applicationId"]

    def run(self, role: str, **changes: Any) -> Any:
        driver = {"entryPoint": f"s3://{BUCKET}/job.py"}
        driver["entryPointArguments"] = [f"s3://{BUCKET}/in.txt", f"s3://{BUCKET}/out-{role[-5:]}"]
        request = {"applicationId": self.application, "executionRoleArn": role, "jobDriver": {"sparkSubmit": driver}}
        job = self.emr.start_job_run(**(request | changes))["jobRunId"]

        def look() -> Any:
            return self.emr.get_job_run(applicationId=self.application, jobRunId=job)["jobRun"]

        wait_until(f"job run {job} to end", lambda: look()["state"] in ENDED, JOB_LIMIT)
        return look()


@pytest.fixture(scope="module")
def rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rights]:
    home = tmp_path_factory.mktemp("emr-rights")
    with run_strict_aws(home) as strict:
        keys = strict.user("emr", "sts:AssumeRole")
        settings = own_settings(home / "copy")
        strict.config(settings.path("AWS_CONFIG_FILE"), keys)
        service = start_service("emr-serverless", type(settings)(dict(settings) | {"AWS_PROFILE": "strict"}))
        s3 = strict.client("s3")
        s3.put_object(Bucket=BUCKET, Key="job.py", Body=JOB.encode())
        s3.put_object(Bucket=BUCKET, Key="in.txt", Body=b"read by the role")
        try:
            emr = boto3.client(
                "emr-serverless",
                region_name=REGION,
                endpoint_url=settings["EMR_SERVERLESS_ENDPOINT_URL"],
                aws_access_key_id=keys[0],
                aws_secret_access_key=keys[1],
            )
            yield Rights(strict, emr)
            assert "Traceback" not in service.log
        finally:
            service.stop()


def test_what_the_role_may_do_the_job_may_do(rights: Rights) -> None:
    role = rights.strict.role("job-may", "s3:*")
    run = rights.run(role)
    assert run["state"] == "SUCCESS", run["stateDetails"]
    written = rights.strict.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="out-b-may/")
    assert written["KeyCount"] > 0


def test_what_the_role_may_not_do_the_job_may_not_do(rights: Rights) -> None:
    role = rights.strict.role("job-reads", "s3:GetObject", "s3:ListBucket")
    run = rights.run(role)
    assert run["state"] == "FAILED"
    assert "AccessDenied" in run["stateDetails"]
    assert rights.strict.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="out-reads/")["KeyCount"] == 0


def test_a_role_that_may_not_read_the_script(rights: Rights) -> None:
    run = rights.run(rights.strict.role("job-cannot", "s3:ListBucket"))
    assert run["state"] == "FAILED"
    assert f"s3://{BUCKET}/job.py cannot be read: " in run["stateDetails"]


def test_a_role_that_cannot_be_assumed(rights: Rights) -> None:
    role = "arn:aws:iam::000000000000:role/no-such-role"
    run = rights.run(role)
    assert run["state"] == "FAILED"
    assert run["stateDetails"].startswith(
        f"Could not assume runtime role {role} because it doesn't exist or isn't setup with the required trust "
        "relationship. An error occurred ("
    )
