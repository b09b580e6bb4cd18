"""Streams folders out of and into the volumes of docker-compose.yml, through a tar in the service that has them."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from velodrome.runtime.base import StackError
from velodrome.runtime.parts import Entries, forget_members, part_of

HOME = "/var/lib/velodrome"  # VELODROME_HOME in containers
# Hard links, of which S3 makes some, are files as others are.
_READ = (
    f'cd {HOME} && if [ -e "$0" ]; then exec tar --hard-dereference -cf - "$0"; else exec tar -cf - -T /dev/null; fi'
)
# The account in the images owns what it unpacks, as it does all that services write.
_WRITE = f"exec tar -C {HOME} -xpf -"

Argv = Callable[..., list[str]]  # argv("run", …) is the command `docker compose run …`


@contextmanager
def read_path(argv: Argv, environ: Mapping[str, str], path: str) -> Iterator[Entries]:
    """What lies at and below a path of VELODROME_HOME; nothing if it is not there."""
    with _shell(argv, environ, path, _READ, given=False) as process:
        yield _members(process)


def _members(process: subprocess.Popen[bytes]) -> Entries:
    with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
        while (member := tar.next()) is not None:
            forget_members(tar)
            yield member, tar.extractfile(member) if member.isreg() else None


def write(argv: Argv, environ: Mapping[str, str], entries: Entries) -> None:
    """Write the entries of one part."""
    first = next(entries)
    with (
        _shell(argv, environ, first[0].name, _WRITE, given=True) as process,
        tarfile.open(fileobj=process.stdin, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for info, body in itertools.chain([first], entries):
            tar.addfile(info, body)
            forget_members(tar)


@contextmanager
def _shell(
    argv: Argv, environ: Mapping[str, str], path: str, script: str, given: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """A script with a path as its $0, in a container of the service that has this path; it is awaited."""
    part = part_of(path)
    service = part.service if part else "prepare"
    command = argv("run", "--rm", "-T", "--no-deps", "--entrypoint", "sh", service, "-c", script, path)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if given else subprocess.PIPE,
            stderr=said,
        )
        failure: Exception | None = None
        try:
            yield process
        except (tarfile.TarError, BrokenPipeError) as error:
            failure = error  # what the container said tells more
        except BaseException:
            process.terminate()
            raise
        finally:
            for stream in (process.stdin, process.stdout):
                if stream:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
            process.wait()
        if process.returncode or failure:
            said.seek(0)
            text = said.read().decode(errors="replace").strip().splitlines()[-12:]
            fix = "`make up` builds an image that is missing"
            what = f"docker compose run {service}: {path} cannot be copied ({fix}):"
            raise StackError("\n".join([what, *text])) from failure
