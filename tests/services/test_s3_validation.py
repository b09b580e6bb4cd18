"""What IAM and STS are asked for and may not be, in AWS's words; each on a real client that checks nothing itself."""

from __future__ import annotations

import uuid
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from velodrome.settings import Settings
from velodrome.testing import client_options

TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'
NO_JSON = ("MalformedPolicyDocument", "This policy contains invalid Json")
TOO_LONG = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."


def fails(value: object, at: str, constraint: str) -> tuple[str, str]:
    shown = f"Value '{value}' at '{at}'"
    return (
        "ValidationError",
        f"1 validation error detected: {shown} failed to satisfy constraint: Member must {constraint}",
    )


AT_LEAST, AT_MOST = "have value greater than or equal to {}", "have value less than or equal to {}"
NAME = r"satisfy regular expression pattern: [\w+=,.@-]+"


@pytest.fixture(scope="module")
def clients(s3_settings: Settings) -> dict[str, Any]:
    config = Config(parameter_validation=False)
    return {name: boto3.client(name, config=config, **client_options(s3_settings, name)) for name in ("iam", "sts")}


@pytest.fixture(scope="module")
def role(clients: dict[str, Any]) -> str:
    """The ARN of a role whose sessions last an hour at most, as nothing else was said."""
    made = clients["iam"].create_role(RoleName=f"r-{uuid.uuid4().hex}", AssumeRolePolicyDocument=TRUST)
    return str(made["Role"]["Arn"])


def refused(call: Any, **given: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**given)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Error"]["Code"], error["Error"]["Message"]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"DurationSeconds": 899}, fails(899, "durationSeconds", AT_LEAST.format(900))),
        ({"DurationSeconds": 43201}, fails(43201, "durationSeconds", AT_MOST.format(43200))),
        ({"DurationSeconds": 3601}, ("ValidationError", TOO_LONG)),
        ({"Policy": "{nope"}, NO_JSON),
        (
            {"RoleSessionName": "a b"},
            fails("a b", "roleSessionName", r"satisfy regular expression pattern: [\w+=,.@-]*"),
        ),
        ({"RoleArn": "nope"}, fails("nope", "roleArn", "have length greater than or equal to 20")),
        (
            {"Tags": [{"Key": "k" * 129, "Value": "v"}]},
            fails("k" * 129, "tags.1.member.key", "have length less than or equal to 128"),
        ),
    ],
)
def test_assume_role(clients: dict[str, Any], role: str, given: dict[str, Any], error: tuple[str, str]) -> None:
    assert refused(clients["sts"].assume_role, **({"RoleArn": role, "RoleSessionName": "session"} | given)) == error


def test_letters_beyond_ascii_in_a_tag(clients: dict[str, Any], role: str) -> None:
    given = {"RoleArn": role, "RoleSessionName": "session"}
    clients["sts"].assume_role(**given, Tags=[{"Key": "Größe 日本", "Value": "ñ 5"}])
    code, message = refused(clients["sts"].assume_role, **given, Tags=[{"Key": "a*", "Value": "v"}])
    assert code == "ValidationError"
    assert message.startswith("1 validation error detected: Value 'a*' at 'tags.1.member.key' failed to satisfy")


def test_a_role_may_allow_longer_sessions(clients: dict[str, Any], role: str) -> None:
    clients["iam"].update_role(RoleName=role.rpartition("/")[2], MaxSessionDuration=7200)
    given = {"RoleArn": role, "RoleSessionName": "session", "DurationSeconds": 7200}
    assert clients["sts"].assume_role(**given)["Credentials"]["AccessKeyId"].startswith("ASIA")
    clients["iam"].update_role(RoleName=role.rpartition("/")[2], MaxSessionDuration=3600)


@pytest.mark.parametrize(
    ("service", "operation", "given", "error"),
    [
        ("sts", "get_session_token", {"DurationSeconds": 1}, fails(1, "durationSeconds", AT_LEAST.format(900))),
        (
            "sts",
            "get_session_token",
            {"DurationSeconds": 129601},
            fails(129601, "durationSeconds", AT_MOST.format(129600)),
        ),
        (
            "sts",
            "get_federation_token",
            {"Name": "x" * 33},
            fails("x" * 33, "name", "have length less than or equal to 32"),
        ),
        ("iam", "create_user", {"UserName": "a b"}, fails("a b", "userName", NAME)),
        ("iam", "create_role", {"RoleName": "a/b", "AssumeRolePolicyDocument": TRUST}, fails("a/b", "roleName", NAME)),
        ("iam", "create_role", {"RoleName": "bad-json", "AssumeRolePolicyDocument": "{nope"}, NO_JSON),
    ],
)
def test_others(clients: dict[str, Any], service: str, operation: str, given: Any, error: tuple[str, str]) -> None:
    assert refused(getattr(clients[service], operation), **given) == error


def test_what_must_be_there(clients: dict[str, Any]) -> None:
    code, message = refused(clients["sts"].assume_role, RoleSessionName="session")
    assert (code, message.partition(": ")[2]) == (
        "ValidationError",
        "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
    )
