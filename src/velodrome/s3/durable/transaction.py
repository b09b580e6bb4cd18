"""One mutating request: when it takes the state's lock, what must still hold then, which bodies it has made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from velodrome.s3.durable.bodies import Body, Draft
from velodrome.s3.durable.index import Index

_running = threading.local()


class Again(Exception):
    """What the operation was based on has changed before it took the lock: do it again."""


class Transaction:
    """Used as `with`; bodies that were made in it and not kept are removed at its end."""

    def __init__(self, index: Index, still_holds: Callable[[], None]) -> None:
        self._index = index
        self._still_holds = still_holds
        self._entered = False
        self._made: set[str] = set()
        self._drafts: list[Draft] = []
        self.kept: set[str] = set()
        # By bucket and key, then version, what the operation has in hand; None: it has removed that version.
        self.versions: dict[tuple[str, str], dict[str, Any]] = {}
        # Bucket, key and version of what it has put or removed, in that order.
        self.written: dict[tuple[str, str, str], None] = {}

    @staticmethod
    def current() -> Transaction:
        """The one of this thread."""
        if (found := Transaction.running()) is None:
            raise RuntimeError("a body is written outside of a mutating S3 operation")
        return found

    @staticmethod
    def running() -> Transaction | None:
        """The one of this thread, if it has one."""
        found: Transaction | None = getattr(_running, "transaction", None)
        return found

    def __enter__(self) -> Transaction:
        _running.transaction = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _running.transaction = None
        if self._entered:
            self._index.lock.release()
        for draft in self._drafts:
            draft.discard()
        self._index.bodies.remove(self._made - self.kept)

    def enter(self) -> None:
        """Take the lock until the end, and see that the state still is what the operation has looked at."""
        if not self._entered:
            self._index.lock.acquire()
            self._entered = True
            self._still_holds()

    @property
    def entered(self) -> bool:
        """Whether the state may have been changed."""
        return self._entered

    def draft(self) -> Draft:
        """A new body, to be given to `made` when it is finished."""
        draft = self._index.bodies.draft()
        self._drafts.append(draft)
        return draft

    def made(self, body: Body) -> Body:
        """Note a body that this operation has made."""
        self._drafts.clear()
        self._made |= body.names()
        return body

    def keep(self, names: set[str]) -> set[str]:
        """Of these names, those that were made here; they stay."""
        self.kept = self._made & names
        return self.kept
