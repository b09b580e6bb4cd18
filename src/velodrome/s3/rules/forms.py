"""The form that a browser uploads by (PostObject), which has no model: its fields, and what S3 says of wrong ones.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.services.s3.exceptions import InvalidRequest
from localstack.services.s3.provider import get_object_lock_parameters_from_bucket_and_request
from localstack.services.s3.utils import parse_post_object_tagging_xml, str_to_rfc_1123_datetime
from werkzeug.datastructures import MultiDict

from velodrome.s3.rules import access, checksums, customer_keys, encryption, limits
from velodrome.s3.rules.errors import error, invalid_argument

Handler = Callable[[Any, Any], Any]
_KEY = "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."
_META = "x-amz-meta-"
_CHECKSUM = "x-amz-checksum-"
_ENCRYPTION = "x-amz-server-side-encryption"
_CUSTOMER = {
    "SSECustomerAlgorithm": f"{_ENCRYPTION}-customer-algorithm",
    "SSECustomerKey": f"{_ENCRYPTION}-customer-key",
    "SSECustomerKeyMD5": f"{_ENCRYPTION}-customer-key-md5",
}
# Fields as LocalStack spells them; S3 takes them in any letter case.
_FIELDS = {
    name.lower(): name
    for name in (
        "AWSAccessKeyId",
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Type",
        "Expires",
    )
}


def post_object(provider: Any, handler: Handler) -> Handler:
    """The handler of PostObject, which is given a form that has what it needs."""

    def called(context: Any, request: Any) -> Any:
        http = context.request
        if not http.headers.get("Content-Type", "").startswith("multipart/form-data"):
            return handler(context, request)  # which says so
        try:
            form, files = http.form, http.files
        except (ValueError, UnicodeError) as bad:
            raise _malformed() from bad
        if not form and not files:
            raise _malformed()
        fields = MultiDict((_FIELDS.get(name.lower(), name.lower()), value) for name, value in form.items(multi=True))
        _named_fields(fields, files)
        _file(fields, files)
        _key(fields, files)
        _values(fields)
        access.acl(provider, context, {"Bucket": request["Bucket"], "ACL": fields.get("acl")})
        given = {member: fields.get(field) for member, field in _CUSTOMER.items()}
        customer_keys.valid(given | {"ServerSideEncryption": fields.get(_ENCRYPTION)})
        encryption.not_blocked(provider, context, given | {"Bucket": request["Bucket"]})
        http.form = fields
        try:
            answer = handler(context, request)
        except InvalidRequest as refused:
            if (algorithm := fields.get(f"{_CHECKSUM}algorithm")) and refused.message.startswith("Value for x-amz-ch"):
                raise checksums.bad_digest(algorithm) from refused  # what is none was refused before
            raise
        bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
        _complete(bucket, bucket.objects.get(fields["key"]), given["SSECustomerKeyMD5"], answer)
        return answer

    return called


def _complete(bucket: Any, made: Any, customer_key: str | None, answer: Any) -> None:
    """What LocalStack leaves out of an object that a form has made: a customer's key, the bucket's retention."""
    retention = get_object_lock_parameters_from_bucket_and_request({}, bucket)
    made.lock_mode, made.lock_until = retention.lock_mode, retention.lock_until
    if customer_key:
        made.sse_key_hash = customer_key
        made.encryption, made.kms_key_id, made.bucket_key_enabled = None, None, False
        for name in ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled"):
            answer.pop(name, None)


def _malformed() -> CommonServiceException:
    return error("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")


def _named_fields(fields: Any, files: Any) -> None:
    """Only the part `file` is one: what another part has for a file name means nothing (Python's requests give it)."""
    for name, part in files.items(multi=True):
        spelled = _FIELDS.get(name.lower(), name.lower())
        if name != "file" and spelled not in fields:
            try:
                fields[spelled] = part.stream.read().decode("utf-8")
            except UnicodeDecodeError as bad:
                raise _malformed() from bad


def _file(fields: Any, files: Any) -> None:
    count = len(files.getlist("file")) + len(fields.getlist("file"))
    if count != 1:
        raise invalid_argument("POST requires exactly one file upload per request.", "file", count)


def _key(fields: Any, files: Any) -> None:
    if "key" not in fields:
        raise invalid_argument(_KEY, "key", "")
    name = (files["file"].filename or "") if "file" in files else ""
    # Browsers once sent a whole path.
    fields["key"] = key = fields["key"].replace("${filename}", name.replace("\\", "/").rpartition("/")[2])
    if not key:
        raise error("UserKeyMustBeSpecified", "The bucket POST must contain the specified field name.")
    limits.key({"Key": key})


def _values(fields: Any) -> None:
    limits.metadata_size({name[len(_META) :]: fields[name] for name in fields if name.lower().startswith(_META)})
    if tagging := fields.get("tagging"):
        tags = parse_post_object_tagging_xml(tagging) or {}
        limits.tag_sizes([(name or "", value or "") for name, value in tags.items()], limits.OBJECT_TAGS)
    # What is none of these counts as not given.
    if fields.get("success_action_status") not in (None, "200", "201", "204"):
        fields.pop("success_action_status")
    if expires := fields.get("Expires"):
        try:
            str_to_rfc_1123_datetime(expires)
        except ValueError as bad:
            raise invalid_argument("Invalid Expires", "Expires", expires) from bad
    if policy := fields.get("policy"):
        _expiration(policy)
    _checksum(fields)


def _checksum(fields: Any) -> None:
    """A checksum names its algorithm, or a field does."""
    given = fields.get(f"{_CHECKSUM}algorithm")
    algorithm = next((one for one in checksums.BYTES if f"{_CHECKSUM}{one.lower()}" in fields), given)
    if algorithm is None:
        return
    if (given or algorithm).upper() not in checksums.BYTES:
        raise checksums.unsupported()
    fields[f"{_CHECKSUM}algorithm"] = algorithm = algorithm.upper()
    claimed = fields.get(f"{_CHECKSUM}{algorithm.lower()}")
    if claimed is not None and not checksums.fits(claimed, algorithm):
        raise checksums.invalid(algorithm)


def _expiration(policy: str) -> None:
    """A policy's expiration is a moment in UTC, as `2030-01-01T12:00:00Z` or with fractions of a second."""
    given = None
    try:
        given = json.loads(base64.b64decode(policy))["expiration"]
        datetime.strptime(given, "%Y-%m-%dT%H:%M:%S.%fZ" if "." in given else "%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, KeyError, TypeError) as bad:
        raise error("InvalidPolicyDocument", f"Invalid Policy: Invalid 'expiration' value: '{given}'") from bad
