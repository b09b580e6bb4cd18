"""The pipe between the server and a helper program."""

from __future__ import annotations

import contextlib
import fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    import io

_WIDE = 1024 * 1024


def widen(pipe: int) -> None:
    """64 KB make server and helper wait for each other; 1 MiB is what any user may have on Linux."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # the user has no more to give: it works with what there is
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _WIDE)


def fill(stream: io.FileIO, buffer: memoryview) -> int:
    """As many bytes as there are, up to the buffer's size: a pipe gives them by and by."""
    count = 0
    while count < len(buffer):
        got = stream.readinto(buffer[count:])
        if not got:
            break
        count += got
    return count
