"""S3 and EMR Serverless together, as the tests of jobs use them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from velodrome.awsapi import profile as profiles
from velodrome.settings import Settings
from velodrome.testing import RunningService, own_settings, start_service, wait_until

ROLE = "arn:aws:iam::000000000000:role/velodrome-emr-runtime"
BUCKET = "emr-test"
ENDED = ("SUCCESS", "FAILED", "CANCELLED")
JOB_LIMIT = 180.0
# A job that never ends: it is for the test to end it.
WAIT = """
import threading
print("waiting", flush=True)
threading.Event().wait()
"""


@dataclass
class Stack:
    """S3 and EMR Serverless, and clients of both."""

    settings: Settings
    emr_service: RunningService
    s3: Any
    emr: Any
    application: str

    def create(self, **changes: Any) -> str:
        request = {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK"} | changes
        return str(self.emr.create_application(**request)["applicationId"])

    def start(self, script: str, *arguments: str, **changes: Any) -> str:
        key = f"script/{zlib.crc32(script.encode())}.py"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=script.encode())
        parameters = changes.pop("sparkSubmitParameters", None)
        submit = {"entryPoint": f"s3://{BUCKET}/{key}", "entryPointArguments": list(arguments)}
        if parameters:
            submit["sparkSubmitParameters"] = parameters
        request = {"applicationId": self.application, "executionRoleArn": ROLE, "jobDriver": {"sparkSubmit": submit}}
        return str(self.emr.start_job_run(**(request | changes))["jobRunId"])

    def run(self, job: str) -> dict[str, Any]:
        return dict(self.emr.get_job_run(applicationId=self.application, jobRunId=job)["jobRun"])

    def wait(self, job: str, *states: str) -> dict[str, Any]:
        wanted = states or ENDED
        wait_until(f"job run {job} in {wanted}", lambda: self.run(job)["state"] in {*wanted, *ENDED}, JOB_LIMIT)
        return self.run(job)

    def log(self, job: str, name: str) -> str:
        """What a job has written so far; a job that waits has written nothing."""
        file = self.log_folder(job) / name
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def log_folder(self, job: str) -> Path:
        jobs = self.settings.home / "logs" / "emr-serverless" / "applications" / self.application / "jobs"
        return jobs / job / "SPARK_DRIVER"


def client(service: str, settings: Settings) -> Any:
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), "local")
    return boto3.client(
        service,
        region_name=profile.region,
        endpoint_url=profile.endpoint(service),
        aws_access_key_id=profile.access_key_id,
        aws_secret_access_key=profile.secret_access_key,
    )


@contextmanager
def running_stack(home: Path, changes: Mapping[str, str] | None = None, **application: Any) -> Iterator[Stack]:
    """Both services in `home`, with a bucket and an application; no traceback may stand in the log at the end."""
    settings = own_settings(home, changes)
    storage = start_service("s3", settings)
    try:
        made = Stack(settings, start_service("emr-serverless", settings), client("s3", settings), None, "")
        try:
            made.emr = client("emr-serverless", settings)
            made.s3.create_bucket(Bucket=BUCKET)
            made.application = made.create(**application)
            yield made
            assert "Traceback" not in made.emr_service.log
        finally:
            made.emr_service.stop()
    finally:
        storage.stop()


def processes(job: str) -> list[int]:
    """The processes whose command line or environment names the job's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            if job.encode() in text:
                found.append(int(entry.name))
    return found
