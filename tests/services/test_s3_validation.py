"""What IAM and STS are asked for and may not be, in AWS's words; each on a real client that checks nothing itself."""

from __future__ import annotations

import uuid
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

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
        ("sts", "get_federation_token", {"Name": "bad-json", "Policy": "{nope"}, NO_JSON),
        ("iam", "create_role", {"RoleName": "bad-json", "AssumeRolePolicyDocument": "{nope"}, NO_JSON),
    ],
)
def test_others(clients: dict[str, Any], service: str, operation: str, given: Any, error: tuple[str, str]) -> None:
    assert refused(getattr(clients[service], operation), **given) == error


POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
ABSENT = "arn:aws:iam::000000000000:policy/nope"
NO_ROLE, NO_USER, NO_GROUP = (f"The {kind} with name nope cannot be found." for kind in ("role", "user", "group"))


@pytest.mark.parametrize(
    ("operation", "given", "message"),
    [
        ("get_role", {"RoleName": "nope"}, NO_ROLE),
        ("delete_role", {"RoleName": "nope"}, NO_ROLE),
        ("put_role_policy", {"RoleName": "nope", "PolicyName": "p", "PolicyDocument": POLICY}, NO_ROLE),
        ("list_instance_profiles_for_role", {"RoleName": "nope"}, NO_ROLE),
        ("get_user", {"UserName": "nope"}, NO_USER),
        ("update_user", {"UserName": "nope", "NewUserName": "other"}, NO_USER),
        ("get_group", {"GroupName": "nope"}, NO_GROUP),
        ("get_instance_profile", {"InstanceProfileName": "nope"}, "Instance Profile nope cannot be found."),
        ("get_policy", {"PolicyArn": ABSENT}, f"Policy {ABSENT} was not found."),
        ("list_entities_for_policy", {"PolicyArn": ABSENT}, f"Policy {ABSENT} was not found."),
    ],
)
def test_what_is_not_there(clients: dict[str, Any], operation: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(clients["iam"], operation)(**given)
    error = caught.value.response
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (404, "NoSuchEntity")
    assert error["Error"]["Message"] == message


def test_what_a_role_or_a_user_has_not(clients: dict[str, Any], role: str) -> None:
    iam, name = clients["iam"], role.rpartition("/")[2]
    iam.create_user(UserName=name)
    iam.create_instance_profile(InstanceProfileName=name)
    for call, given, message in (
        (iam.get_role_policy, {"RoleName": name, "PolicyName": "p"}, "The role policy with name p cannot be found."),
        (iam.get_user_policy, {"UserName": name, "PolicyName": "p"}, "The user policy with name p cannot be found."),
        (
            iam.put_role_permissions_boundary,
            {"RoleName": name, "PermissionsBoundary": ABSENT},
            f"Scope ARN: {ABSENT} does not exist or is not attachable.",
        ),
        (
            iam.remove_role_from_instance_profile,
            {"RoleName": name, "InstanceProfileName": name},
            f"The role with name {name} cannot be found.",
        ),
    ):
        with pytest.raises(ClientError) as caught:
            call(**given)
        error = caught.value.response["Error"]
        assert (error["Code"], error["Message"]) == ("NoSuchEntity", message)
    with pytest.raises(ClientError, match=f"User with name {name} already exists."):
        iam.create_user(UserName=name)


def test_lists_in_pages(clients: dict[str, Any]) -> None:
    iam, path = clients["iam"], f"/{uuid.uuid4().hex}/"
    names = {f"r{number}-{uuid.uuid4().hex}" for number in range(3)}
    for name in names:
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST)
    pages = list(iam.get_paginator("list_roles").paginate(PathPrefix=path, PaginationConfig={"PageSize": 2}))
    assert [(len(page["Roles"]), page["IsTruncated"]) for page in pages] == [(2, True), (1, False)]
    assert {role["RoleName"] for page in pages for role in page["Roles"]} == names
    for operation in ("list_roles", "list_policies"):
        assert refused(getattr(iam, operation), Marker="x") == ("ValidationError", "Invalid Marker.")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{}", "Syntax errors in policy."),
        (POLICY, "AssumeRole policy may only specify STS AssumeRole actions."),
        (TRUST.replace('"Principal"', '"Resource": "*", "Principal"'), "Has prohibited field Resource."),
    ],
)
def test_who_may_assume_a_role(clients: dict[str, Any], role: str, document: str, message: str) -> None:
    iam = clients["iam"]
    error = ("MalformedPolicyDocument", message)
    assert refused(iam.create_role, RoleName="trusting", AssumeRolePolicyDocument=document) == error
    assert refused(iam.update_assume_role_policy, RoleName=role.rpartition("/")[2], PolicyDocument=document) == error


@pytest.mark.parametrize("arn", ["arn:aws:iam::000000000000:user/somebody", "arn:aws:iam::0:role/name-of-a-role"])
def test_what_is_no_role(clients: dict[str, Any], arn: str) -> None:
    error = refused(clients["sts"].assume_role, RoleArn=arn, RoleSessionName="session")
    assert error == ("ValidationError", "Request ARN is invalid")


def test_what_a_session_may_not_ask(s3_settings: Settings, clients: dict[str, Any], role: str) -> None:
    iam, name = clients["iam"], role.rpartition("/")[2]
    given = {"RoleArn": role, "RoleSessionName": "session"}
    made = clients["sts"].assume_role(**given)["Credentials"]
    options = client_options(s3_settings, "sts") | {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }
    sts = boto3.client("sts", **options)
    for call, members in ((sts.get_session_token, {}), (sts.get_federation_token, {"Name": "somebody"})):
        with pytest.raises(ClientError, match="with session credentials") as caught:
            call(**members)
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
    iam.update_role(RoleName=name, MaxSessionDuration=7200)
    assert refused(sts.assume_role, **given, DurationSeconds=7200) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
    )
    iam.update_role(RoleName=name, MaxSessionDuration=3600)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (b"Action=Nope&Version=2011-06-15", "InvalidAction"),
        (b"Version=2011-06-15", "MissingAction"),
        (b"", "MissingAction"),
        (b"Action=GetSessionToken&Version=2011-06-15&DurationSeconds=abc", "MalformedInput"),
    ],
)
def test_a_form_that_is_none(clients: dict[str, Any], s3_settings: Settings, form: bytes, code: str) -> None:
    options = client_options(s3_settings, "sts")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", options["endpoint_url"], data=form, headers=headers)
    credentials = Credentials(options["aws_access_key_id"], options["aws_secret_access_key"])
    SigV4Auth(credentials, "sts", options["region_name"]).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    assert answer.status_code == 400
    assert f"<Code>{code}</Code>" in answer.text


def test_what_must_be_there(clients: dict[str, Any]) -> None:
    code, message = refused(clients["sts"].assume_role, RoleSessionName="session")
    assert (code, message.partition(": ")[2]) == (
        "ValidationError",
        "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
    )
