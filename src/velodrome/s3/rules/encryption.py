"""Encryption headers that do not go together, or with the operation; and a bucket's default.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from localstack.services.s3.constants import DEFAULT_BUCKET_ENCRYPTION

from velodrome.s3.rules.errors import access_denied, invalid_argument, malformed_xml

Handler = Callable[[Any, Any], Any]

_HEADER = "x-amz-server-side-encryption"
_NO_KEY = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
_METHODS = ("AES256", "aws:fsx", "aws:kms", "aws:kms:dsse")


def of_write(request: dict[str, Any]) -> None:
    """A method that is none, or a key of KMS without its method."""
    method = request.get("ServerSideEncryption")
    if method is not None and method not in _METHODS:
        raise invalid_argument("The encryption method specified is not supported", _HEADER, method)
    if request.get("SSEKMSKeyId") and not str(method).startswith("aws:kms"):
        message = f"Server Side Encryption with AWS KMS managed key requires HTTP header {_HEADER} : aws:kms"
        raise invalid_argument(message, _HEADER, method)


def of_read(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """What S3 or KMS has encrypted is read without saying so."""
    given = context.request.headers.get(_HEADER)
    if given is not None:
        raise invalid_argument(f"{_HEADER} header is not supported for this operation.", _HEADER, given)


def not_blocked(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """A customer's key, where the bucket blocks those."""
    if not (request.get("SSECustomerAlgorithm") or request.get("SSECustomerKey")):
        return
    if _blocks(_bucket(provider, context, request).encryption_rule or {}):
        raise access_denied()


def _blocks(rule: dict[str, Any]) -> bool:
    return "SSE-C" in ((rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType") or [])


def put_default(provider: Any, handler: Handler) -> Handler:
    """The handler of PutBucketEncryption, in place of LocalStack's, which takes no key for aws:kms:dsse."""

    def called(context: Any, request: Any) -> Any:
        bucket = _bucket(provider, context, request)
        rules = (request.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or []
        if len(rules) != 1:
            raise malformed_xml()
        rule = dict(rules[0])
        default = rule.get("ApplyServerSideEncryptionByDefault")
        types = (rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType")
        if (default is None and types is None) or not set(types or ()) <= {"NONE", "SSE-C"}:
            raise malformed_xml()
        rule.setdefault("BucketKeyEnabled", False)
        if default is None:
            rule = DEFAULT_BUCKET_ENCRYPTION | rule
        elif default.get("SSEAlgorithm") not in _METHODS:
            raise malformed_xml()
        elif "KMSMasterKeyID" in default and not default["SSEAlgorithm"].startswith("aws:kms"):
            raise invalid_argument(_NO_KEY, "ApplyServerSideEncryptionByDefault", None)
        bucket.encryption_rule = rule

    return called


def reset(provider: Any, handler: Handler) -> Handler:
    """The handler of DeleteBucketEncryption: a bucket without a default of its own encrypts with S3's keys."""

    def called(context: Any, request: Any) -> Any:
        answer = handler(context, request)
        _bucket(provider, context, request).encryption_rule = DEFAULT_BUCKET_ENCRYPTION
        return answer

    return called


def _bucket(provider: Any, context: Any, request: Any) -> Any:
    return provider._get_cross_account_bucket(context, request["Bucket"])[1]
