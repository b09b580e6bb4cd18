"""Whose bucket a request means, and that new buckets take neither ACLs nor anything public (since April 2023).

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from localstack.aws.api.s3 import NoSuchBucket
from localstack.services.s3.utils import extract_bucket_key_version_id_from_copy_source

from velodrome.s3.rules import policies
from velodrome.s3.rules.errors import access_denied, error

Handler = Callable[[Any, Any], Any]
_ACCOUNT = re.compile(r"[0-9]{12}")
_ENFORCED = "BucketOwnerEnforced"
_GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
_PUBLIC_CANNED = ("public-read", "public-read-write", "authenticated-read")
_PUBLIC_GROUPS = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
_BY_EMAIL = "AmazonCustomerByEmail"
_EMAIL = re.compile(r"\bemailaddress\s*=", re.IGNORECASE)


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
    _no_addresses(request)
    if request.get("ObjectOwnership") in (None, _ENFORCED):
        raise _acl_with_enforced()
    if _public(request):
        message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled"
        raise error("InvalidBucketAclWithBlockPublicAccessError", message)


def acl(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """PutBucketAcl, PutObjectAcl, and each operation that makes an object: what the bucket takes of ACLs."""
    if _plain(request, ("bucket-owner-full-control",)):
        return
    _no_addresses(request)
    try:
        bucket = _bucket(provider, context, request["Bucket"])
    except NoSuchBucket:
        return  # the operation says so itself
    if bucket.object_ownership == _ENFORCED and not _owner_alone(bucket, request):
        raise error("AccessControlListNotSupported", "The bucket does not allow ACLs")
    if (bucket.public_access_block or {}).get("BlockPublicAcls") and _public(request):
        raise access_denied()


def log_grants(request: dict[str, Any]) -> None:
    """PutBucketLogging: who may read the logs is named as in an ACL."""
    enabled = (request.get("BucketLoggingStatus") or {}).get("LoggingEnabled") or {}
    _no_addresses({"AccessControlPolicy": {"Grants": enabled.get("TargetGrants")}})


def _no_addresses(request: dict[str, Any]) -> None:
    """Addresses of e-mail are taken no more, since October 2025.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html
    """
    grants = (request.get("AccessControlPolicy") or {}).get("Grants") or []
    grantees = [grant.get("Grantee") or {} for grant in grants]
    in_headers = any(_EMAIL.search(str(request.get(name) or "")) for name in _GRANTS)
    if in_headers or any("EmailAddress" in one or one.get("Type") == _BY_EMAIL for one in grantees):
        raise error("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)


def _acl_with_enforced() -> Exception:
    message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    return error("InvalidBucketAclWithObjectOwnership", message)


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
    """PutBucketPolicy: what is a policy of that bucket, and no public one while the bucket blocks them."""
    bucket = _bucket(provider, context, request["Bucket"])
    given = request.get("Policy") or ""
    policies.check(given, bucket.name)
    if (bucket.public_access_block or {}).get("BlockPublicPolicy") and policies.is_public(given):
        raise access_denied()


def policy_status(provider: Any, handler: Handler) -> Handler:
    """The handler of GetBucketPolicyStatus, in place of LocalStack's, which has none. ACLs have no part in it."""

    def called(context: Any, request: Any) -> Any:
        bucket = _bucket(provider, context, request["Bucket"])
        if not bucket.policy:
            raise error("NoSuchBucketPolicy", "The bucket policy does not exist", 404, BucketName=bucket.name)
        return {"PolicyStatus": {"IsPublic": policies.is_public(bucket.policy)}}

    return called


def ownership(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """PutBucketOwnershipControls: ACLs are not switched off while the bucket's own gives something to others."""
    rules = (request.get("OwnershipControls") or {}).get("Rules") or []
    if not any(rule.get("ObjectOwnership") == _ENFORCED for rule in rules):
        return
    bucket = _bucket(provider, context, request["Bucket"])
    if not _owner_alone(bucket, {"AccessControlPolicy": bucket.acl}):
        raise _acl_with_enforced()


def read_acl(provider: Any, handler: Handler) -> Handler:
    """The handler of GetBucketAcl or GetObjectAcl: where ACLs are switched off, the bucket's owner has everything."""

    def called(context: Any, request: Any) -> Any:
        answer = handler(context, request)
        bucket = _bucket(provider, context, request["Bucket"])
        if bucket.object_ownership != _ENFORCED:
            return answer
        owner = dict(bucket.owner)
        grant = {"Grantee": {**owner, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
        return {**answer, "Owner": owner, "Grants": [grant]}

    return called
