"""What of LocalStack's an unsigned request may have: what a bucket's policy or an ACL gives to everybody.

Nothing of that is so by itself: a bucket's owner has to lift its Block Public Access, then allow ACLs or put a policy.
What gives S3 more than that (copies, uploads in parts, versions, locks, keys of KMS) takes a signature, as on AWS.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from localstack.aws.spec import load_service
from localstack.services.s3.models import s3_stores
from localstack.services.s3.utils import uses_host_addressing

from velodrome.awsapi.http import Request
from velodrome.s3.front.errors import S3Error, access_denied, invalid_argument
from velodrome.s3.rules import conditions, policies

_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
_PATH = re.compile(r"/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
_OWN = ("/_localstack", "/_aws", "/_extension", "/_pipeline", "/openapi.yaml")
# What may stand in the query of a plain read of an object, of a listing, and of everything.
_OF_OBJECT = frozenset({"partNumber", "versionId"})
_PAGES = ("max-keys", "marker", "start-after", "continuation-token", "key-marker", "version-id-marker")
_OF_LIST = frozenset({"list-type", "prefix", "delimiter", "encoding-type", "fetch-owner", *_PAGES})
_OF_UPLOADS = frozenset({"prefix", "delimiter", "encoding-type", "max-uploads", "key-marker", "upload-id-marker"})
_ANYWHERE = frozenset({"x-id"})  # the operation's name, which some clients add
# Headers, or fields of a form, that a write may have.
_OF_WRITE = re.compile(
    "x-amz-(?:acl|grant-.*|meta-.*|checksum-.*|sdk-checksum-algorithm|trailer|decoded-content-length|content-sha256"
    "|date|storage-class|tagging|server-side-encryption(?:-customer-.*)?|website-redirect-location"
    "|expected-bucket-owner)"
)
_ALSO = (
    ("s3:PutObjectAcl", "x-amz-acl"),
    ("s3:PutObjectAcl", "x-amz-grant-"),
    ("s3:PutObjectTagging", "x-amz-tagging"),
)
_COPY, _ENCRYPTION = "x-amz-copy-source", "x-amz-server-side-encryption"
_KMS = "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4."


@dataclass(frozen=True)
class _Asked:
    """What a kind of request needs: an action that a policy allows, or a permission in an ACL ('' for none)."""

    action: str
    permission: str = ""
    of_object: bool = False  # whose ACL
    query: frozenset[str] = frozenset()


_READ = _Asked("s3:GetObject", "READ", True, _OF_OBJECT)
_LIST = _Asked("s3:ListBucket", "READ", False, _OF_LIST)
# By what the path names, the method and the subresource.
_ASKED: dict[tuple[str, str, str], _Asked] = {
    ("object", "GET", ""): _READ,
    ("object", "HEAD", ""): _READ,
    ("object", "PUT", ""): _Asked("s3:PutObject", "WRITE"),
    ("object", "DELETE", ""): _Asked("s3:DeleteObject", "WRITE"),
    ("object", "GET", "acl"): _Asked("s3:GetObjectAcl", "READ_ACP", True),
    ("object", "GET", "tagging"): _Asked("s3:GetObjectTagging", "", True),
    ("bucket", "GET", ""): _LIST,
    ("bucket", "HEAD", ""): _LIST,
    ("bucket", "GET", "versions"): _Asked("s3:ListBucketVersions", "READ", False, _OF_LIST),
    ("bucket", "GET", "uploads"): _Asked("s3:ListBucketMultipartUploads", "READ", False, _OF_UPLOADS),
    ("bucket", "GET", "acl"): _Asked("s3:GetBucketAcl", "READ_ACP"),
    ("bucket", "GET", "location"): _Asked("s3:GetBucketLocation"),
    # A form, by ACL alone: what stands in it after the file is not seen here, another key for one.
    ("bucket", "POST", ""): _Asked("", "WRITE"),
}
_SUBRESOURCES = frozenset(subresource for _, _, subresource in _ASKED if subresource)


class LocalStack:
    """What the front asks of it."""

    def own_path(self, path: str) -> bool:
        """Whether the path is one of LocalStack's own, beside S3's. It reads several slashes as one."""
        plain = re.sub("/+", "/", path)
        return any(plain == own or plain.startswith(f"{own}/") for own in _OWN)

    def health_path(self, path: str) -> bool:
        """The path that localstack-client's users ask for health."""
        return path == "/_localstack/health"

    def check_unsigned(self, request: Request, form: Mapping[str, str] | None) -> None:
        """Raises S3Error unless everybody may have what an unsigned request asks for; `form` is an upload's fields."""
        found = _PATH.fullmatch(request.raw_path)
        if found is None:
            raise access_denied()
        name, key = found[1], unquote(found[2] or "")
        # A parameter that no operation knows means nothing.
        given = parse_qsl(request.query, keep_blank_values=True)
        query = {name: value for name, value in given if name in _parameters() or name.lower().startswith("x-amz-")}
        if (bucket := _bucket(name)) is None:
            if request.method == "PUT" and not key and not query:
                raise access_denied()  # it would be made
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist", {"BucketName": name})
        if request.method == "POST" and not key and form is None:
            raise access_denied()
        asked = _asked(request, "object" if key else "bucket", query)
        more: tuple[str, ...] = ()
        if asked.permission == "WRITE":
            more = _check_write(bucket, request.headers if form is None else form)
        thing: Any = conditions.find(bucket, key, query.get("versionId")) if asked.of_object else bucket
        if not hasattr(thing, "acl"):
            # Nothing, or a delete marker. Who may list may know so; the engine says it.
            asked, key, thing = _LIST, "", bucket
        if not _has(bucket, thing.acl, asked, key, *more):
            raise access_denied()
        if asked.of_object and asked.permission == "READ" and str(thing.encryption).startswith("aws:kms"):
            raise invalid_argument("Authorization", "null", _KMS)

    def cors_rules(self, request: Request) -> Sequence[Mapping[str, Any]] | None:
        """Those of the bucket that a request names; None if there is no such bucket."""
        name = uses_host_addressing(request.headers) or unquote(request.raw_path).lstrip("/").partition("/")[0]
        bucket = _bucket(name)
        return None if bucket is None else (bucket.cors_rules or {}).get("CORSRules", [])


@cache
def _parameters() -> frozenset[str]:
    """The names in queries that say what is asked of S3: all of its model, and those of signatures."""
    found = {"Expires", "torrent"}
    for name in load_service("s3").operation_names:
        operation = load_service("s3").operation_model(name)
        found |= {part.partition("=")[0] for part in operation.http["requestUri"].partition("?")[2].split("&")}
        members = operation.input_shape.members.values() if operation.input_shape is not None else ()
        found |= {one.serialization["name"] for one in members if one.serialization.get("location") == "querystring"}
    return frozenset(found - {""})


def _asked(request: Request, what: str, query: Mapping[str, str]) -> _Asked:
    """What the request needs; raises S3Error for what no unsigned request may have."""
    if what == "object" and any(name.startswith("response-") for name in query):
        message = "Request specific response headers cannot be used for anonymous GET requests."
        raise S3Error(400, "InvalidRequest", message)
    if what == "object" and request.method == "POST" and "uploads" in query:
        raise access_denied("Anonymous users cannot initiate multipart uploads.  Please authenticate.")
    if _COPY in request.headers:
        raise access_denied("Anonymous users cannot copy objects.  Please authenticate")
    subresource = next((name for name in query if name in _SUBRESOURCES), "")
    asked = _ASKED.get((what, request.method, subresource))
    if asked is None or query.keys() - asked.query - _ANYWHERE - {subresource}:
        raise access_denied()
    if "versionId" in query:
        return _Asked("s3:GetObjectVersion", "READ", True, _OF_OBJECT)
    return asked


def _check_write(bucket: Any, named: Mapping[str, str]) -> tuple[str, ...]:
    """Actions that a write's headers, or a form's fields, need beside its own. Raises S3Error."""
    if any(name.startswith("x-amz-") and not _OF_WRITE.fullmatch(name) for name in named):
        raise access_denied()
    default = (bucket.encryption_rule or {}).get("ApplyServerSideEncryptionByDefault") or {}
    if str(named.get(_ENCRYPTION) or default.get("SSEAlgorithm")).startswith("aws:kms"):
        raise access_denied()
    return tuple(action for action, start in _ALSO if any(name.startswith(start) for name in named))


def _bucket(name: str) -> Any | None:
    for account in list(s3_stores):
        for region in list(s3_stores[account]):
            if found := s3_stores[account][region].buckets.get(name):
                return found
    return None


def _has(bucket: Any, acl: Any, asked: _Asked, key: str, *more: str) -> bool:
    resource = f"arn:aws:s3:::{bucket.name}" + (f"/{key}" if key else "")
    actions = (asked.action, *more)
    return _granted(bucket, acl, asked.permission) or all(_allowed(bucket, action, resource) for action in actions)


def _blocked(bucket: Any, setting: str) -> bool:
    return bool((bucket.public_access_block or {}).get(setting))


def _granted(bucket: Any, acl: Any, permission: str) -> bool:
    if _blocked(bucket, "IgnorePublicAcls") or bucket.object_ownership == "BucketOwnerEnforced" or not permission:
        return False
    return any(
        grant.get("Grantee", {}).get("URI") == _EVERYBODY and grant.get("Permission") in (permission, "FULL_CONTROL")
        for grant in acl.get("Grants", ())
    )


def _allowed(bucket: Any, action: str, resource: str) -> bool:
    """By a policy that says it plainly: one with a Deny, a Condition or a Not… is never taken to give anything."""
    if not bucket.policy or _blocked(bucket, "RestrictPublicBuckets"):
        return False
    statements = policies.statements(bucket.policy)
    if any(statement.get("Effect") != "Allow" for statement in statements):
        return False
    return any(_says(statement, action, resource) for statement in statements)


def _says(statement: dict[str, Any], action: str, resource: str) -> bool:
    if statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource"}:
        return False
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = "*" if "*" in policies.listed(principal.get("AWS", [])) else None
    return (
        principal == "*"
        and _like(action.lower(), (str(one).lower() for one in policies.listed(statement.get("Action", []))))
        and _like(resource, (str(one) for one in policies.listed(statement.get("Resource", []))))
    )


def _like(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in patterns)
