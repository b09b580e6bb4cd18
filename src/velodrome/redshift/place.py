"""What all sessions of a warehouse share."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from velodrome.awsapi.profile import Profile
from velodrome.redshift.authentication import Roles
from velodrome.redshift.history import History
from velodrome.redshift.origins import Origins


class Member(Protocol):
    """A session, as the others know it."""

    @property
    def backend_key(self) -> bytes: ...
    def leave(self, message: bytes) -> None: ...
    def end(self, message: bytes = b"") -> None: ...


@dataclass(frozen=True)
class Place:
    """The server inside, the certificate, the history, where fields come from, and who is there: `sessions` are logged
    in, those `arriving` are not (the oldest first), and count against no limit of Redshift's. `keys` finds a session by
    the key with which its client asks for a cancel."""

    socket: Path
    profile: Callable[[], Profile]
    pool: Executor
    roles: Roles
    tls: ssl.SSLContext | None
    history: History
    origins: Origins
    sessions: set[Member] = field(default_factory=set)
    arriving: dict[Member, None] = field(default_factory=dict)
    keys: dict[bytes, Member] = field(default_factory=dict)
