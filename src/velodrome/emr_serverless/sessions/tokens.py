"""The tokens of session endpoints: given out for one hour, kept as hashes, gone with their session.

They live in memory: a session ends with the service, and its tokens with it.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_GetSessionEndpoint.html
TOKEN_SECONDS = 3600


@dataclass(frozen=True)
class Route:
    """Where a session's server listens (a port of the loopback interface), and the token that it asks for."""

    session_id: str
    port: int
    server_token: str


class SessionTokens:
    """Which session a token is for, and until when; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[str, float]] = {}

    def issue(self, session_id: str) -> tuple[str, float]:
        """A new token for a session, and when it expires (seconds since the epoch); earlier ones stay good."""
        # No character that a connection string (`sc://host/;name=value`) would have to quote.
        token = secrets.token_urlsafe(48)
        now = self._clock()
        with self._lock:
            self._known = {digest: entry for digest, entry in self._known.items() if entry[1] > now}
            self._known[_digest(token)] = (session_id, now + TOKEN_SECONDS)
        return token, now + TOKEN_SECONDS

    def session_of(self, token: str) -> str | None:
        """The session of a token that is good now."""
        with self._lock:
            entry = self._known.get(_digest(token))
        return entry[0] if entry is not None and entry[1] > self._clock() else None

    def revoke(self, session_id: str) -> None:
        """Forget all tokens of a session."""
        with self._lock:
            self._known = {digest: entry for digest, entry in self._known.items() if entry[0] != session_id}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
