"""In whose name S3 is asked: the keys given in the call, the instance's role, or the profile's own keys."""

from __future__ import annotations

import json
import time

from velodrome.awsapi.profile import Profile
from velodrome.rds.s3pipe.request import FOLDER, Request, write_private
from velodrome.rds.s3pipe.sigv4 import Keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from velodrome.rds.s3pipe.http import Endpoint

# A role's keys are taken anew this long before they end, in seconds: an export may take its time.
_MARGIN = 900


class NoCredentials(Exception):
    """RDS cannot act in the instance's name."""

    def __init__(self, feature: str, reason: str) -> None:
        super().__init__("credentials stored with the database instance can't be accessed")
        self.hint = f'Has the IAM role Amazon Resource Name (ARN) been associated with the feature-name "{feature}"?'
        self.reason = reason


def find(request: Request, profile: Profile) -> Keys:
    """The keys for this call. Raises NoCredentials."""
    if request.with_credentials:
        given = request.take_credentials()
        return Keys(given["access_key"], given["secret_key"], given.get("session_token") or "")
    if profile.access_key_id and profile.secret_access_key:
        own = Keys(profile.access_key_id, profile.secret_access_key, profile.session_token or "")
    else:
        raise NoCredentials(request.feature, f"profile {profile.name} has no keys")
    return _of_role(request, profile, own) if request.role else own


def _of_role(request: Request, profile: Profile, own: Keys) -> Keys:
    """The role's keys by AssumeRole, kept until shortly before they end: one call more would double a small export."""
    from hashlib import sha256

    name = sha256(f"{request.role} {own.access_key} {profile.endpoint('sts')}".encode()).hexdigest()[:32]
    path = f"{FOLDER}/role-{name}.json"
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            kept = json.load(file)
        if kept["until"] > time.time():
            return Keys(*kept["keys"])
    except (FileNotFoundError, ValueError, KeyError):
        pass  # not yet taken
    keys, until = _assume(request, profile, own)
    write_private(path, json.dumps({"until": until - _MARGIN, "keys": [*keys]}))
    return keys


def _assume(request: Request, profile: Profile, own: Keys) -> tuple[Keys, float]:
    """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""
    from calendar import timegm
    from urllib.parse import urlencode

    from velodrome.rds.s3pipe.http import AwsError, Connection, text_of

    parameters = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": request.role,
        "RoleSessionName": "RDS-PostgreSQL",
    }
    connection = Connection(_sts(profile), own, profile.region, "sts")
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    try:
        answer = connection.request("POST", "/", {}, headers, urlencode(parameters).encode())
    except AwsError as error:
        if error.status is None:
            raise
        raise NoCredentials(request.feature, f"{error.code}: {error}") from None
    finally:
        connection.close()
    body = answer.body.decode()
    keys = Keys(text_of(body, "AccessKeyId"), text_of(body, "SecretAccessKey"), text_of(body, "SessionToken"))
    return keys, timegm(time.strptime(text_of(body, "Expiration")[:19], "%Y-%m-%dT%H:%M:%S"))


def _sts(profile: Profile) -> Endpoint:
    from velodrome.rds.s3pipe.http import Endpoint

    url = profile.endpoint("sts")
    return Endpoint.parse(url) if url else Endpoint.of_aws("sts", profile.region)
