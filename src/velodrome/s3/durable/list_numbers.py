"""How many lines a listing may have, and after which part it goes on: as S3 reads and refuses these numbers.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from localstack.aws.api.s3 import InvalidArgument
from localstack.aws.protocol.parser import S3RequestParser

MOST = 1000
_INT32 = 2**31
_MEMBERS = frozenset({"MaxKeys", "MaxUploads", "MaxParts", "MaxBuckets", "PartNumberMarker"})
_PLACES = ("querystring", "header")
Handler = Callable[[Any, Any], Any]


def keep_as_sent() -> None:
    """Have LocalStack's parser leave these numbers as text: it takes more for a number than S3 does."""
    theirs = S3RequestParser._parse_integer

    def parse(self: Any, request: Any, shape: Any, node: Any, uri_params: Any = None) -> Any:
        if isinstance(node, str) and shape.name in _MEMBERS and shape.serialization.get("location") in _PLACES:
            return node
        return theirs(self, request, shape, node, uri_params)

    S3RequestParser._parse_integer = parse


def number(request: Any, member: str, name: str, default: int, most: int | None, called: str | None = None) -> int:
    """A number of a request: absent or empty it is the default, above `most` it is `most`. Raises InvalidArgument.

    `called` is how S3 names one that is less than 0, if otherwise than `name`.
    """
    text = request.get(member)
    if text is None or text == "":
        return default
    text = str(text)
    value = int(text) if re.fullmatch("-?[0-9]{1,4000}", text, re.ASCII) else None
    if value is None or not -_INT32 <= value < _INT32:
        raise InvalidArgument(
            f"Provided {name} not an integer or within integer range", ArgumentName=name, ArgumentValue=text
        )
    if value < 0:
        called = called or name
        raise InvalidArgument(
            f"Argument {called} must be an integer between 0 and {_INT32 - 1}",
            ArgumentName=called,
            ArgumentValue=text,
        )
    return value if most is None else min(value, most)


def attributes(theirs: Handler) -> Handler:
    """GetObjectAttributes: LocalStack's, asked for all parts, of which the answer has a page.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
    """

    def called(context: Any, request: Any) -> Any:
        limit = number(request, "MaxParts", "x-amz-max-parts", MOST, MOST)
        marker = number(request, "PartNumberMarker", "x-amz-part-number-marker", 0, None)
        response = theirs(context, request | {"MaxParts": 10_000, "PartNumberMarker": 0})
        parts = response.get("ObjectParts") or {}
        if (whole := parts.get("Parts")) is not None:
            following = [part for part in whole if part["PartNumber"] > marker]
            shown = following[:limit]
            parts |= {
                "Parts": shown,
                "MaxParts": limit,
                "PartNumberMarker": marker,
                "NextPartNumberMarker": shown[-1]["PartNumber"] if shown else 0,
                "IsTruncated": 0 < limit < len(following),
            }
        return response

    return called
