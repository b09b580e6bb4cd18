"""Encryption headers that do not go together, or with the operation.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from __future__ import annotations

from typing import Any

from velodrome.s3.rules.errors import invalid_argument

_HEADER = "x-amz-server-side-encryption"
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
