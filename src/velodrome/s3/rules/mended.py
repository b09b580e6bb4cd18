"""LocalStack's functions that decide otherwise than S3, replaced: owners, KMS keys, lifecycle rules, chunked bodies,
conditions of a copy and of a form's policy, the end of a default retention."""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return, no-untyped-call"

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from localstack.aws.protocol.serializer import S3ResponseSerializer
from localstack.services.s3 import presigned_url, provider
from localstack.services.s3.codec import AwsChunkedDecoder
from localstack.services.s3.utils import get_kms_key_arn

from velodrome.s3.rules import accounts, conditions, lifecycle, reading
from velodrome.s3.rules.errors import error

MANAGED_KEY = "alias/aws/s3"


def managed_key(account: str, region: str) -> str:
    """The ARN of the key `aws/s3`, which every account has in every region without making it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    number = uuid.uuid5(uuid.NAMESPACE_URL, f"arn:aws:kms:{region}:{account}:{MANAGED_KEY}")
    return f"arn:aws:kms:{region}:{account}:key/{number}"


def key_arn(key: str | None, account: str, region: str) -> str | None:
    """The ARN of a key as a request names it."""
    if key and key.endswith(MANAGED_KEY):
        return managed_key(account, region)
    return get_kms_key_arn(key, account, region)


_plain_encryption = provider.get_encryption_parameters_from_request_and_bucket
_plain_told = provider.add_encryption_to_response
_TWO_LAYERS = "aws:kms:dsse"


def encryption_of(request: Any, bucket: Any, store: Any) -> Any:
    """How an object will be encrypted; with two layers by a key of KMS too, which LocalStack looks for with one alone.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingDSSEncryption.html
    """
    found = _plain_encryption(request, bucket, store)
    if found.encryption != _TWO_LAYERS:
        return found
    default = (bucket.encryption_rule or {}).get("ApplyServerSideEncryptionByDefault") or {}
    key = request.get("SSEKMSKeyId") or default.get("KMSMasterKeyID")
    account, region = bucket.bucket_account_id, bucket.bucket_region
    return found._replace(kms_key_id=key_arn(key, account, region) or managed_key(account, region))


def tell_encryption(response: dict[str, Any], s3_object: Any) -> None:
    """Say in an answer how the object is encrypted."""
    _plain_told(response, s3_object)
    if s3_object.encryption == _TWO_LAYERS and s3_object.kms_key_id:
        response["SSEKMSKeyId"] = s3_object.kms_key_id


_plain_rule_of = provider.get_lifecycle_rule_from_object


def rule_of(rules: list[dict[str, Any]], key: str, size: int, tags: dict[str, str]) -> dict[str, Any] | None:
    """The rule by which an object will expire."""
    filtered = [
        rule | {"Filter": {"Prefix": rule["Prefix"]}} if rule.get("Prefix") else rule
        for rule in rules
        if rule.get("Status") == "Enabled"
    ]
    return _plain_rule_of(filtered, key, size, tags)


_plain_retention_from_now = provider.get_retention_from_now


def retention_from_now(**period: int | None) -> datetime:
    """When a bucket's default retention ends, to the second as it is told."""
    ends: datetime = _plain_retention_from_now(**period)
    return ends.replace(microsecond=0)


_plain_condition_holds = presigned_url._verify_condition


def condition_holds(condition: Any, form: dict[str, str], known: dict[str, Any]) -> Any:
    """A condition of a form's policy; its operator may be in any letter case."""
    if isinstance(condition, list) and condition and isinstance(condition[0], str):
        condition = [condition[0].lower(), *condition[1:]]
    return _plain_condition_holds(condition, form, known)


def redirect(base_redirect: str, bucket: str, object_key: str, etag: str) -> str:
    """Where a form's success_action_redirect leads; ValueError if it leads nowhere.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
    """
    found = urlsplit(base_redirect)
    if not found.netloc:
        raise ValueError("no address")
    named = [*parse_qsl(found.query, keep_blank_values=True), ("bucket", bucket), ("key", object_key), ("etag", etag)]
    return urlunsplit(found._replace(query=urlencode(named)))


_plain_traits = S3ResponseSerializer._prepare_additional_traits_in_xml


def traits(serializer: Any, root: Any, request_id: str) -> None:
    """What S3 writes beside an answer's members: its namespace, but in the answer to a form."""
    _plain_traits(serializer, root, request_id)
    if root.tag == "PostResponse":
        del root.attrib["xmlns"]


class ChunkedBody(AwsChunkedDecoder):
    """A body in chunks; one that is cut off or malformed stores nothing."""

    def read(self, size: int = -1) -> bytes:
        """As LocalStack's; raises IncompleteBody."""
        try:
            data = super().read(size)
        except (EOFError, ValueError, AttributeError) as bad:
            raise _incomplete() from bad
        if self._decoded_length < 0:
            raise _incomplete()
        return bytes(data)

    def _get_next_chunk_length(self) -> None:
        super()._get_next_chunk_length()
        if self._chunk_size < 0:
            raise _incomplete()


def _incomplete() -> Exception:
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return error("IncompleteBody", message)


def install() -> None:
    """Put them in LocalStack's place."""
    provider.get_owner_for_account_id = accounts.owner
    provider.create_s3_kms_managed_key_for_region = managed_key
    provider.get_kms_key_arn = key_arn
    provider.get_encryption_parameters_from_request_and_bucket = encryption_of
    provider.add_encryption_to_response = tell_encryption
    provider.validate_lifecycle_configuration = lifecycle.check
    provider.get_lifecycle_rule_from_object = rule_of
    provider.validate_failed_precondition = reading.check_read
    provider.get_failed_precondition_copy_source = conditions.failed_of_source
    provider.AwsChunkedDecoder = ChunkedBody
    provider.create_redirect_for_post_request = redirect
    provider.get_retention_from_now = retention_from_now
    presigned_url._verify_condition = condition_holds
    S3ResponseSerializer._prepare_additional_traits_in_xml = traits
