"""An S3, STS and IAM that enforce signatures, policies and roles, which LocalStack does not: ministack with AUTH on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
from aws_s3_cases import BUCKET, REGION
from botocore.config import Config

from velodrome.testing import free_port, wait_until

_ROOT = ("test", "test")  # who may do everything


@dataclass(frozen=True)
class StrictAws:
    """A running one; all that is made in it is made by its root user."""

    url: str

    def client(self, service: str, key: str = _ROOT[0], secret: str = _ROOT[1]) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(s3={"addressing_style": "path"}),
        )

    def user(self, name: str, *allowed: str) -> tuple[str, str]:
        """Access key and secret of a new user who may do these actions on everything."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        if allowed:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=_policy(*allowed))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def role(self, name: str, *allowed: str) -> str:
        """The ARN of a new role that whoever is allowed to may assume."""
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        iam = self.client("iam")
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=_policy(*allowed))
        return arn

    def config(self, path: Path, keys: tuple[str, str] | None) -> Path:
        """An AWS configuration file whose profile `strict` reaches all this with these keys."""
        lines = ["[profile strict]", f"region = {REGION}", "services = strict", "s3 =", "  addressing_style = path"]
        if keys is not None:
            lines += [f"aws_access_key_id = {keys[0]}", f"aws_secret_access_key = {keys[1]}"]
        lines += ["[services strict]"]
        lines += [f"{service} =\n  endpoint_url = {self.url}" for service in ("s3", "sts")]
        path.write_text("\n".join(lines) + "\n")
        return path


def _policy(*allowed: str) -> str:
    statement = {"Effect": "Allow", "Action": list(allowed), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@contextmanager
def run_strict_aws(home: Path) -> Iterator[StrictAws]:
    """On a free port, with the test bucket in it; nothing of it stays."""
    port = free_port()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "AUTH": "true", "S3_PERSIST": "0"}
    environ |= {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1"}
    with (home / "ministack.log").open("wb") as log:
        program = Path(sys.executable).with_name("ministack")
        process = subprocess.Popen([program], env=environ, cwd=home, stdout=log, stderr=log)
    strict = StrictAws(f"http://127.0.0.1:{port}")

    def answers() -> bool:
        assert process.poll() is None, (home / "ministack.log").read_text()
        try:
            return httpx.get(f"{strict.url}/", trust_env=False).status_code < 500
        except httpx.HTTPError:
            return False

    try:
        wait_until("ministack to answer", answers, 60)
        strict.client("s3").create_bucket(Bucket=BUCKET)
        yield strict
    finally:
        process.terminate()
        process.wait(20)
