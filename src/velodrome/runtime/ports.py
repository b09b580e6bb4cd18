"""Whether a port of the loopback interface can be had, and which program listens on it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

_LISTEN = "0A"  # include/net/tcp_states.h


def refusal(port: int) -> str:
    """Why nobody can listen on this port of 127.0.0.1 now, in the system's words; empty when somebody can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror or str(error)
        except OverflowError:
            return "a port is a number from 1 to 65535"
    return ""


def listeners(port: int) -> list[int]:
    """The ids of the processes that listen on this port, as far as we may see them."""
    if not Path("/proc/net/tcp").exists():
        return _lsof(port)
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd") if sockets else ():
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            if any(str(link.readlink()) in sockets for link in folder.iterdir()):
                found.append(int(folder.parent.name))
    return sorted(found)


def program(pid: int) -> str:
    """A process in a few words: its command line's beginning and its id."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        argv = ["ps", "-p", str(pid), "-o", "command="]
        words = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    return f"{words[:60] or 'a program'} (process {pid})"


def _inodes(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == _LISTEN and int(words[1].rpartition(":")[2], 16) == port:
                    yield words[9]


def _lsof(port: int) -> list[int]:
    if shutil.which("lsof") is None:
        return []
    argv = ["lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN"]
    output = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False).stdout
    return sorted({int(word) for word in output.split()})
