"""Commands that change a copy, one at a time: `up` beside `down`, or two of one kind, would undo each other's steps."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from velodrome.runtime.base import StackError
from velodrome.settings import Settings


@contextmanager
def turn(settings: Settings, make: bool = False) -> Iterator[None]:
    """The copy is this command's until the block, or the process, ends. Raises StackError where it is another's.
    `make`: also where there is no copy yet."""
    if make:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.home.is_dir():
        yield
        return
    # The folder itself: a file in it would be one more that a new home may hold, and that reset leaves.
    folder = os.open(settings.home, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"another command (up, down, backup, restore, reset or clean) is at work on {settings.home}: "
                "wait for its end, or end it with Ctrl-C where it runs"
            ) from None
        except OSError as error:
            # NFS has no such locks of folders; commands are as far apart there as people keep them.
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP):
                raise
        yield
    finally:
        os.close(folder)
