"""What of LocalStack's an unsigned request may have: reads that a bucket's policy or an ACL gives to everybody.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import fnmatch
import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote

from localstack.services.s3.models import s3_stores

from velodrome.awsapi.http import Request

_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
_PATH = re.compile(r"/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
# What may stand in the query of a plain read of an object, or of a listing.
_OF_OBJECT = frozenset({"partNumber", "x-id"})
_OF_PAGES = ("max-keys", "marker", "start-after", "continuation-token")
_OF_LIST = frozenset({"list-type", "prefix", "delimiter", "encoding-type", "x-id", *_OF_PAGES})
_OWN = ("/_localstack", "/_aws", "/_extension", "/_pipeline", "/openapi.yaml")


class LocalStack:
    """What the front asks of it."""

    def own_path(self, path: str) -> bool:
        """Whether the path is one of LocalStack's own, beside S3's. It reads several slashes as one."""
        plain = re.sub("/+", "/", path)
        return any(plain == own or plain.startswith(f"{own}/") for own in _OWN)

    def health_path(self, path: str) -> bool:
        """The path that localstack-client's users ask for health."""
        return path == "/_localstack/health"

    def is_public(self, request: Request) -> bool:
        """Whether everybody may have what an unsigned request asks for."""
        found = _PATH.fullmatch(request.raw_path)
        if found is None or request.method not in ("GET", "HEAD"):
            return False
        bucket, key = _bucket(found[1]), unquote(found[2] or "")
        names = {name for name, _ in parse_qsl(request.query, keep_blank_values=True)}
        if bucket is None or not names <= (_OF_OBJECT if key else _OF_LIST):
            return False
        if not key:
            return _granted(bucket, bucket.acl) or _allowed(bucket, "s3:ListBucket", "")
        thing = bucket.objects.get(key)
        acl = getattr(thing, "acl", None)
        return (acl is not None and _granted(bucket, acl)) or _allowed(bucket, "s3:GetObject", f"/{key}")


def _bucket(name: str) -> Any | None:
    for account in list(s3_stores):
        for region in list(s3_stores[account]):
            if found := s3_stores[account][region].buckets.get(name):
                return found
    return None


def _blocked(bucket: Any, setting: str) -> bool:
    return bool((bucket.public_access_block or {}).get(setting))


def _granted(bucket: Any, acl: Any) -> bool:
    if _blocked(bucket, "IgnorePublicAcls") or bucket.object_ownership == "BucketOwnerEnforced":
        return False
    return any(
        grant.get("Grantee", {}).get("URI") == _EVERYBODY and grant.get("Permission") in ("READ", "FULL_CONTROL")
        for grant in acl.get("Grants", ())
    )


def _allowed(bucket: Any, action: str, rest: str) -> bool:
    """By a policy that says it plainly: one with a Deny, a Condition or a Not… is never taken to give anything."""
    if not bucket.policy or _blocked(bucket, "RestrictPublicBuckets"):
        return False
    statements = _listed(json.loads(bucket.policy).get("Statement", []))
    if any(statement.get("Effect") != "Allow" for statement in statements):
        return False
    return any(_says(statement, action, f"arn:aws:s3:::{bucket.name}{rest}") for statement in statements)


def _says(statement: dict[str, Any], action: str, resource: str) -> bool:
    if statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource"}:
        return False
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = "*" if "*" in _listed(principal.get("AWS", [])) else None
    return (
        principal == "*"
        and any(_like(action.lower(), str(one).lower()) for one in _listed(statement.get("Action", [])))
        and any(_like(resource, str(one)) for one in _listed(statement.get("Resource", [])))
    )


def _like(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
