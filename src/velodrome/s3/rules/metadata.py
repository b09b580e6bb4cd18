"""User-defined metadata beyond ASCII, which S3 takes and gives as words of RFC 2047.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata
"""

from __future__ import annotations

import base64
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any

_WORDS = re.compile(r"=\?[^?\s]+\?[bBqQ]\?[^?]*\?=(\s+=\?[^?\s]+\?[bBqQ]\?[^?]*\?=)*")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[^\x00-\x7f]")


def decode(request: dict[str, Any]) -> None:
    """What is sent as such words is kept as the text that they are."""
    if given := request.get("Metadata"):
        request["Metadata"] = {name: _decoded(value) for name, value in given.items()}


def _decoded(value: str) -> str:
    if not value or not _WORDS.fullmatch(value):
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value  # it only looks like one


def encode(answer: Any) -> None:
    """What is not printable ASCII goes out as one such word."""
    if isinstance(answer, dict) and (kept := answer.get("Metadata")):
        answer["Metadata"] = {name: _encoded(value) for name, value in kept.items()}


def _encoded(value: str) -> str:
    beyond = len(_CONTROLS.findall(value))
    if not beyond:
        return value
    data = value.encode("utf-8", "surrogateescape")
    if beyond * 2 >= len(value):
        return f"=?UTF-8?B?{base64.b64encode(data).decode()}?="
    return f"=?UTF-8?Q?{''.join(map(_quoted, data))}?="


def _quoted(byte: int) -> str:
    if byte == ord(" "):
        return "_"
    return chr(byte) if 0x20 < byte < 0x7F and chr(byte) not in "=_?" else f"={byte:02X}"
