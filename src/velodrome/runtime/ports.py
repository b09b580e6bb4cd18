"""Whether a port of the loopback interface can be had, and which program listens on it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from velodrome import kinds
from velodrome.runtime.base import StackError
from velodrome.runtime.services import Service
from velodrome.settings import SETTINGS, Settings

_LISTEN = "0A"  # include/net/tcp_states.h


def refusal(port: int, address: str = "127.0.0.1") -> str:
    """Why nobody can listen on this port of an address now, in the system's words; empty when somebody can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.strerror or str(error)
        except OverflowError:
            return "a port is a number from 1 to 65535"
    return ""


def check(services: Iterable[Service], settings: Settings) -> None:
    """Refuse all ports that cannot be had, at once: StackError names each with its holder and setting."""
    address = settings["LISTEN_ADDRESS"]
    named = [
        (service, port, refusal(settings.integer(port), address)) for service in services for port in service.ports
    ]
    taken = [(service, port, reason) for service, port, reason in named if reason]
    if taken:
        said = [
            f"{service.name}: port {settings[port]} cannot be had ({reason}): {holder(settings.integer(port))}. "
            f"Set {port} to a free one (env/local.env, or in front of the command)"
            for service, port, reason in taken
        ]
        raise StackError("\n".join([*said, *_all_moved(settings, {port for _, port, _ in taken})]))


def _all_moved(settings: Settings, taken: set[str]) -> list[str]:
    """The one setting that moves every port to a free one, where there is such a number: it moves those alone that
    nobody has given."""
    now = settings.integer("PORT_OFFSET")
    bases = {row.name: int(row.default) for row in SETTINGS if row.kind is kinds.PORT}
    moving = {port: base for port, base in bases.items() if settings[port] == str(base + now)}
    for offset in range(1000, 24_000, 1000) if taken <= moving.keys() else ():
        if not any(refusal(base + offset, settings["LISTEN_ADDRESS"]) for base in moving.values()):
            return [f"Or move all ports by one setting: PORT_OFFSET={offset} make up"]
    return []


def listening(port: int) -> bool:
    """Whether somebody listens on this port; true where the system does not say (macOS).

    Who connects to a port that nobody listens on, and that the system may give to connections, can get this very port
    as its own end: it is connected to itself, and the server finds its port taken.
    """
    if not Path("/proc/net/tcp").exists():
        return True
    return any(state == _LISTEN for state, _ in _sockets(port))


def given_to_connections() -> tuple[int, int]:
    """The first and the last port that the system gives to connections."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    except OSError:  # macOS
        return 49152, 65535
    return int(first), int(last)


def holder(port: int) -> str:
    """Who has a port that cannot be had, in words."""
    if not Path("/proc/net/tcp").exists():
        return ", ".join(map(program, _lsof(port))) or "a program"
    if found := listeners(port):
        return ", ".join(map(program, found))
    if any(state == _LISTEN for state, _ in _sockets(port)):
        return "another user's program"
    if list(_sockets(port)):
        first, last = given_to_connections()
        return f"a connection's own end (the system gives {first} to {last} to connections)"
    return "nobody any more"


def listeners(port: int) -> list[int]:
    """The ids of the processes that listen on this port, as far as we may see them."""
    sockets = {f"socket:[{inode}]" for state, inode in _sockets(port) if state == _LISTEN}
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


def _sockets(port: int) -> Iterator[tuple[str, str]]:
    """State and inode of each socket that has this port as its own end."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if int(words[1].rpartition(":")[2], 16) == port:
                    yield words[3], words[9]


def _lsof(port: int) -> list[int]:
    if shutil.which("lsof") is None:
        return []
    argv = ["lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN"]
    output = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False).stdout
    return sorted({int(word) for word in output.split()})
