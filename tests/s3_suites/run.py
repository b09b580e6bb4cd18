"""Runs other projects' suites for S3 against ours: ceph's s3-tests and s3fs's own, from checkouts that the user gives.

``run.py --s3-tests FOLDER --s3fs FOLDER``, one of them or both; further arguments go to pytest (``-k multipart``). It
ends with 1 if a test fails that expected_failures.txt does not name, or passes that it names.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from foreign_suites import Runs, Suite  # noqa: E402 - beside this folder

from velodrome.awsapi import profile  # noqa: E402
from velodrome.runtime import install  # noqa: E402
from velodrome.settings import Settings  # noqa: E402
from velodrome.testing import run_service  # noqa: E402

INSTALL = "s3-suites"
# The suite's users are of accounts of their own, which have no bucket but the suite's. Each process of pytest has its
# users, as one test lists all buckets.
PROCESSES = 2
ACCOUNTS = {"main": "1111222233{:02}", "alt": "4444555566{:02}", "tenant": "7777888899{:02}"}
# What the suite says that AWS itself does otherwise, and what nothing here carries out (see docs/s3.md): those tests
# wait for minutes.
LEFT_OUT = ("fails_on_aws", "lifecycle_expiration", "lifecycle_transition", "cloud_transition", "cloud_restore")
CONFIGURATION = """
[DEFAULT]
host = {host}
port = {port}
is_secure = False
ssl_verify = False
[fixtures]
bucket prefix = suite-{{random}}-
iam name prefix = suite-
iam path prefix = /suite/
"""
SECTION = """
[{name}]
display_name = webfile
user_id = {owner}
email = {user}@example.com
tenant = {user}
access_key = {key}
secret_key = {secret}
"""
# A region that a bucket can name (us-east-1 has no name of this kind), and keys as S3 shows them, by their ARNs.
MAIN = """api_name = eu-west-1
kms_keyid = arn:aws:kms:us-east-1:111122223300:key/testkey-1
kms_keyid2 = arn:aws:kms:us-east-1:111122223300:key/testkey-2"""
USERS = {"s3 main": "main", "s3 alt": "alt", "s3 tenant": "tenant", "iam": "main", "iam root": "main"}


S3_TESTS = Suite(
    "s3-tests",
    (
        "-p",
        "s3_tests_plugin",
        f"-n{PROCESSES}",
        "s3tests/functional/test_s3.py",
        "s3tests/functional/test_headers.py",
        "-m",
        f"not ({' or '.join(LEFT_OUT)})",
    ),
)
S3FS = Suite("s3fs", ("-p", "s3fs_plugin", "s3fs"))


@contextmanager
def served() -> Iterator[Settings]:
    """An S3 of its own, on a free port."""
    with tempfile.TemporaryDirectory() as home, run_service("s3", Path(home)) as running:
        yield running.settings


@dataclass(frozen=True)
class User:
    """A user of S3, and the canonical id of the user's account."""

    key: str
    secret: str
    owner: str


def users_of(settings: Settings, process: int) -> dict[str, User]:
    """Each user that s3-tests asks for, made in IAM."""
    mine = profile.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    place = {"endpoint_url": settings["S3_ENDPOINT_URL"], "region_name": mine.region}

    def client(service: str, key: str, secret: str, token: str | None = None) -> Any:
        named = {"aws_access_key_id": key, "aws_secret_access_key": secret, "aws_session_token": token}
        return boto3.client(service, **place, **named)  # type: ignore[call-overload]

    found = {}
    sts = client("sts", mine.access_key_id, mine.secret_access_key)
    for name, account in ACCOUNTS.items():
        role = f"arn:aws:iam::{account.format(process)}:role/OrganizationAccountAccessRole"
        admin = sts.assume_role(RoleArn=role, RoleSessionName="suite")["Credentials"]
        iam = client("iam", admin["AccessKeyId"], admin["SecretAccessKey"], admin["SessionToken"])
        iam.create_user(UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        key, secret = made["AccessKeyId"], made["SecretAccessKey"]
        found[name] = User(key, secret, client("s3", key, secret).list_buckets()["Owner"]["ID"])
    return found


def configuration(settings: Settings, users: dict[str, User]) -> str:
    """The file that s3-tests reads."""
    address = settings["S3_ENDPOINT_URL"].rpartition("/")[2]
    host, _, port = address.partition(":")
    text = CONFIGURATION.format(host=host, port=port)
    for name, user in {**USERS, "iam alt root": "alt"}.items():
        one = users[user]
        text += SECTION.format(name=name, owner=one.owner, user=user, key=one.key, secret=one.secret)
    return text.replace("[s3 main]", f"[s3 main]\n{MAIN}")


def environ(settings: Settings, folder_of_files: str) -> dict[str, str]:
    """Where the suites find S3; nothing of this process's own environment but what every program needs."""
    mine = profile.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    return {
        "AWS_ACCESS_KEY_ID": mine.access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": mine.secret_access_key or "",
        "AWS_DEFAULT_REGION": settings["AWS_REGION"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_S3": settings["S3_ENDPOINT_URL"],
        "HOME": str(settings.home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE),
        "S3_SUITES_FOLDER": folder_of_files,
    }


def main() -> int:
    """Run what is given; 1 if something is not as expected."""
    target = "make s3-tests S3_TESTS=folder S3FS_TESTS=folder"
    runs = Runs((S3_TESTS, S3FS), __doc__.splitlines()[0], target, HERE / "expected_failures.txt")
    with served() as settings, tempfile.TemporaryDirectory() as folder_of_files:
        install.ensure(INSTALL, settings, lambda text: print(f"{INSTALL}: {text}", file=sys.stderr))
        for process in range(PROCESSES):
            file = Path(folder_of_files) / f"gw{process}.conf"  # as pytest-xdist names its processes
            file.write_text(configuration(settings, users_of(settings, process)), encoding="utf-8")
        python = settings.installs / INSTALL / "bin" / "python"
        for suite in (S3_TESTS, S3FS):
            if checkout := runs.checkout(suite):
                runs.compare(suite, suite.run(python, checkout, environ(settings, folder_of_files), runs.more))
    return runs.end()


if __name__ == "__main__":
    sys.exit(main())
