"""Members of a write's request that have a few values only: others are refused, and not passed over.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from localstack.aws.api.s3 import InvalidObjectState
from localstack.aws.spec import load_service

from velodrome.s3.rules.errors import error, invalid_argument, malformed_xml, not_implemented

Handler = Callable[[Any, Any], Any]

STORAGE_CLASSES = frozenset(
    (
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "GLACIER_IR",
    )
)
_CONTEXT = "x-amz-server-side-encryption-context"
# Starts of headers that AWS has and the engine does not know.
_UNKNOWN = (
    "x-amz-object-lock-event-hold",
    "x-amz-object-annotation-",
    "x-amz-bucket-namespace",
    "x-amz-if-match-initiated-time",
)
_NO_ATTRIBUTES = (
    "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"
)


def of_write(request: dict[str, Any]) -> None:
    """PutObject, CopyObject, CreateMultipartUpload: storage class, redirect, context of a key of KMS."""
    storage = request.get("StorageClass")
    if storage is not None and storage not in STORAGE_CLASSES:
        message = "The storage class you specified is not valid"
        raise error("InvalidStorageClass", message, StorageClassRequested=storage)
    redirect = request.get("WebsiteRedirectLocation")
    if redirect is not None and not redirect.startswith(("/", "http://", "https://")):
        message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
        raise error("InvalidRedirectLocation", message)
    context = request.get("SSEKMSEncryptionContext")
    if context is not None and not _is_context(context):
        holding = "JSON which represents a string-string map"
        message = f"The header '{_CONTEXT}' shall be Base64-encoded UTF-8 string holding {holding}"
        raise invalid_argument(message, _CONTEXT, context)


def _is_context(given: str) -> bool:
    try:
        found = json.loads(base64.b64decode(given, validate=True))
    except ValueError:
        return False
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())


def of_copy(request: dict[str, Any]) -> None:
    """CopyObject: what becomes of the source's metadata and tags."""
    for member, what in (("MetadataDirective", "metadata"), ("TaggingDirective", "tagging")):
        given = request.get(member)
        if given not in (None, "COPY", "REPLACE"):
            raise invalid_argument(f"Unknown {what} directive.", f"x-amz-{what}-directive", given)


def of_put(request: dict[str, Any]) -> None:
    """PutObject at an offset is for directory buckets.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_RequestSyntax
    """
    if request.get("WriteOffsetBytes") is not None:
        raise not_implemented("x-amz-write-offset-bytes")


def known_headers(headers: Mapping[str, str]) -> None:
    """What would be passed over is NotImplemented, by name."""
    for name, _ in headers.items():
        if name.lower().startswith(_UNKNOWN):
            raise not_implemented(name.lower())


def of_restore(request: dict[str, Any]) -> None:
    """RestoreObject: for a day or more, and by a tier that there is.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
    """
    given = request.get("RestoreRequest") or {}
    tiers = (given.get("Tier"), (given.get("GlacierJobParameters") or {}).get("Tier"))
    if given.get("Days", 1) < 1 or any(tier not in (None, "Standard", "Bulk", "Expedited") for tier in tiers):
        raise malformed_xml()


def restore(provider: Any, handler: Handler) -> Handler:
    """The handler of RestoreObject, which says why it restores nothing."""

    def called(context: Any, request: Any) -> Any:
        try:
            return handler(context, request)
        except InvalidObjectState as refused:
            message = "Restore is not allowed for the object's current storage class"
            raise InvalidObjectState(message, StorageClass=refused.StorageClass) from refused

    return called


def of_versioning(request: dict[str, Any]) -> None:
    """PutBucketVersioning: only the root user with a device for MFA, whom nobody is here, lets it guard deletions."""
    if (request.get("VersioningConfiguration") or {}).get("MFADelete") == "Enabled":
        raise error("AccessDenied", "Mfa Authentication must be present for this request", 403)


def whole_object(context: Any) -> None:
    """PutObject, DeleteObject and GetObject: what names a part or a subresource of an object means something else,
    which an engine that does not know it would do to the object itself, or answer with it."""
    given = context.request.args
    if context.operation.name == "GetObject":
        if "attributes" in given:
            raise error("InvalidRequest", _NO_ATTRIBUTES)
    elif "partNumber" in given:
        message = "This operation does not accept partNumber without uploadId"
        raise invalid_argument(message, "partNumber", given["partNumber"])
    for name in given:
        if name in _subresources():
            raise error("NotImplemented", f"The subresource {name} of an object is not implemented.", 501)


@cache
def _subresources() -> frozenset[str]:
    """What stands alone in the query of any operation; some of them AWS knows of objects, and LocalStack does not."""
    model = load_service("s3")
    queries = (model.operation_model(name).http["requestUri"].partition("?")[2] for name in model.operation_names)
    return frozenset(
        {part for query in queries for part in query.split("&") if part and "=" not in part} | {"renameObject"}
    )


def attributes(request: dict[str, Any]) -> None:
    """GetObjectAttributes: names of attributes that there are."""
    known = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}
    names = [name for name in request.get("ObjectAttributes") or [] if name]
    if not names:
        raise error("InvalidRequest", _NO_ATTRIBUTES)
    for name in names:
        if name not in known:
            raise invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", name)
