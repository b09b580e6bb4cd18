"""Whose bucket a request means, and that new buckets take neither ACLs nor anything public (since April 2023).

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import json
import re
from typing import Any

from localstack.aws.api.s3 import NoSuchBucket
from localstack.services.s3.utils import extract_bucket_key_version_id_from_copy_source

from velodrome.s3.rules.errors import access_denied, error

_ACCOUNT = re.compile(r"[0-9]{12}")
_ENFORCED = "BucketOwnerEnforced"
_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
_PUBLIC_CANNED = ("public-read", "public-read-write", "authenticated-read")
_PUBLIC_GROUPS = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
# Conditions that keep a policy for everybody from being public, when their value is fixed.
_NARROWING = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)


def expected_owner(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """ExpectedBucketOwner, and ExpectedSourceBucketOwner of a copy's source: another owner is AccessDenied."""
    if (owner := request.get("ExpectedBucketOwner")) and request.get("Bucket"):
        _owned(_bucket(provider, context, request["Bucket"]), owner)
    if (owner := request.get("ExpectedSourceBucketOwner")) and request.get("CopySource"):
        source = extract_bucket_key_version_id_from_copy_source(request["CopySource"])[0]
        _owned(_bucket(provider, context, source), owner)


def _owned(bucket: Any, owner: str) -> None:
    if not _ACCOUNT.fullmatch(owner):
        message = f"The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]"
        raise error("InvalidBucketOwnerAWSAccountID", message)
    if bucket.bucket_account_id != owner:
        raise access_denied()


def _bucket(provider: Any, context: Any, name: str) -> Any:
    return provider._get_cross_account_bucket(context, name)[1]


def new_bucket(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """CreateBucket: an ACL that gives something to others wants another ownership, and is not public."""
    if _plain(request, ("private", "bucket-owner-full-control")):
        return
    if request.get("ObjectOwnership") in (None, _ENFORCED):
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise error("InvalidBucketAclWithObjectOwnership", message)
    if _public(request):
        message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled"
        raise error("InvalidBucketAclWithBlockPublicAccessError", message)


def acl(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """PutBucketAcl, PutObjectAcl, and each operation that makes an object: what the bucket takes of ACLs."""
    if _plain(request, ("bucket-owner-full-control",)):
        return
    try:
        bucket = _bucket(provider, context, request["Bucket"])
    except NoSuchBucket:
        return  # the operation says so itself
    if bucket.object_ownership == _ENFORCED and not _owner_alone(bucket, request):
        raise error("AccessControlListNotSupported", "The bucket does not allow ACLs")
    if (bucket.public_access_block or {}).get("BlockPublicAcls") and _public(request):
        raise access_denied()


def _plain(request: dict[str, Any], canned: tuple[str, ...]) -> bool:
    """No ACL, or one that gives the owner everything and others nothing."""
    given = [request.get(name) for name in (*_GRANTS, "AccessControlPolicy")]
    return not any(given) and request.get("ACL") in (None, "", *canned)


def _owner_alone(bucket: Any, request: dict[str, Any]) -> bool:
    owner = bucket.owner["ID"]
    if request.get("ACL") or any(request.get(name) for name in _GRANTS[1:]):
        return False
    if given := request.get("GrantFullControl"):
        return str(given).strip().replace('"', "") == f"id={owner}"
    return all(
        grant.get("Permission") == "FULL_CONTROL" and (grant.get("Grantee") or {}).get("ID") == owner
        for grant in (request.get("AccessControlPolicy") or {}).get("Grants") or []
    )


def _public(request: dict[str, Any]) -> bool:
    if request.get("ACL") in _PUBLIC_CANNED:
        return True
    headers = " ".join(str(request.get(name) or "") for name in _GRANTS)
    grants = (request.get("AccessControlPolicy") or {}).get("Grants") or []
    uris = {(grant.get("Grantee") or {}).get("URI") for grant in grants}
    return any(group in headers or group in uris for group in _PUBLIC_GROUPS)


def policy(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """PutBucketPolicy: no public policy while the bucket blocks them."""
    bucket = _bucket(provider, context, request["Bucket"])
    if (bucket.public_access_block or {}).get("BlockPublicPolicy") and public_policy(request.get("Policy") or ""):
        raise access_denied()


def policy_status(provider: Any, handler: Any) -> Any:
    """The handler of GetBucketPolicyStatus, in place of LocalStack's, which has none."""

    def called(context: Any, request: Any) -> Any:
        bucket = _bucket(provider, context, request["Bucket"])
        if not bucket.policy:
            raise error("NoSuchBucketPolicy", "The bucket policy does not exist", 404, BucketName=bucket.name)
        return {"PolicyStatus": {"IsPublic": public_policy(bucket.policy)}}

    return called


def public_policy(text: str) -> bool:
    """Whether a statement allows something to everybody without a condition that narrows it."""
    try:
        statements = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError):
        return False  # what is no policy is refused as one
    listed = statements if isinstance(statements, list) else [statements]
    return any(_allows_everybody(one) for one in listed if isinstance(one, dict))


def _allows_everybody(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    everybody = "*" in (named if isinstance(named, list) else [named])
    conditions = statement.get("Condition")
    tests = conditions.values() if isinstance(conditions, dict) else []
    keys = {str(key).lower() for test in tests if isinstance(test, dict) for key in test}
    return statement.get("Effect") == "Allow" and everybody and not keys & _NARROWING
