"""Requests and replies as the protocols see them, without the web server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


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
