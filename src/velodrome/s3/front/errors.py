"""S3's errors as S3 writes them.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from xml.sax.saxutils import escape

_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


class S3Error(Exception):
    """An error reply; `details` are the elements that stand beside code and message, `headers` the reply's own."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = dict(details or {})
        self.headers: dict[str, str] = {}

    def body(self, request_id: str) -> bytes:
        """The reply's body."""
        named = {"Code": self.code, "Message": self.message, **self.details, "RequestId": request_id}
        named["HostId"] = request_id
        inner = "".join(f"<{name}>{_text(value)}</{name}>" for name, value in named.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode("utf-8", "replace")


def _text(value: object) -> str:
    # What XML cannot hold was put in by the client.
    return escape(_NOT_IN_XML.sub("?", str(value)))


def request_id() -> str:
    """A new one, of 16 characters as S3's are."""
    return uuid.uuid4().hex[:16].upper()


def access_denied(message: str = "Access Denied", **details: object) -> S3Error:
    """403, as S3 answers who may not."""
    return S3Error(403, "AccessDenied", message, details)


def invalid_argument(name: str, value: str, message: str) -> S3Error:
    """400, with the argument that is meant."""
    return S3Error(400, "InvalidArgument", message, {"ArgumentName": name, "ArgumentValue": value})
