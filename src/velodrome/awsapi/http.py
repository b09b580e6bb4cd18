"""Requests and replies as the protocols see them, without the web server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import SerializationException


@dataclass(frozen=True)
class Request:
    """A request as it was sent: path and query string still encoded, header names in lower case."""

    method: str
    raw_path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """A reply before it is sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class WireProtocol(Protocol):
    """What differs between AWS's protocols (rest-json, json, query)."""

    def parse(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The operation that the request names, and its parameters."""

    def reply(self, operation: str, result: dict[str, Any]) -> Reply:
        """The reply of an operation."""

    def error(self, code: str, message: str, status: int) -> Reply:
        """The reply that is an error."""


def json_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object; none is an empty one."""
    if not request.body:
        return {}
    try:
        content = json.loads(request.body, parse_constant=_no_constant)
    except ValueError:
        raise SerializationException("the body is not JSON") from None
    if not isinstance(content, dict):
        raise SerializationException("the body is not a JSON object")
    return content


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is Python's, not JSON's")
