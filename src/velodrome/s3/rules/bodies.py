"""What a request's headers say of its body: `aws-chunked` is how it was sent, and no part of what is stored.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

from __future__ import annotations

from typing import Any

from velodrome.s3.rules.errors import error, invalid_argument

_HEADER, _LENGTH = "Content-Encoding", "x-amz-decoded-content-length"


def plain_encoding(context: Any, request: dict[str, Any]) -> None:
    """ContentEncoding without `aws-chunked`; the header keeps it where the body is in chunks. Content-MD5 and the
    length are what they must be, if they are there."""
    headers = context.request.headers
    given = request.get("ContentEncoding")
    if given and "aws-chunked" in given:
        named = [one for part in given.split(",") if (one := part.strip()) and one != "aws-chunked"]
        request["ContentEncoding"] = ",".join(named) or None
        if _LENGTH not in headers and not headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            headers[_HEADER] = ",".join(named)
    if headers.get("Content-MD5") == "":
        raise error("InvalidDigest", "The Content-MD5 you specified was invalid.", Content_MD5="")
    length = headers.get(_LENGTH)
    if length is not None and not length.isdecimal():
        raise invalid_argument(f"Invalid {_LENGTH}", _LENGTH, length)


def ordered_tags(request: dict[str, Any]) -> None:
    """Tags of a header are kept by their names."""
    if isinstance(given := request.get("Tagging"), str):
        request["Tagging"] = "&".join(sorted(given.split("&")))
