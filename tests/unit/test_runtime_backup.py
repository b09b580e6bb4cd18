"""Backups without services: a stopped copy on the host, hostile and broken files, and what must not be left behind."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from velodrome.runtime import backup as backups
from velodrome.runtime.archive import FORMAT
from velodrome.runtime.backup import DATA_SETTINGS, STAGING
from velodrome.runtime.base import StackError
from velodrome.runtime.choose import runtime
from velodrome.runtime.host import HostRuntime
from velodrome.runtime.parts import CLUSTERS, BackupError
from velodrome.runtime.progress import Progress
from velodrome.settings import load, read_env_file, user_environ

ROOT = Path(__file__).parents[2]
Members = list[tuple[tarfile.TarInfo, bytes]]


def progress() -> Progress:
    return Progress(Console(file=io.StringIO()))


def host(home: Path, **settings: str) -> HostRuntime:
    environ = user_environ() | {"VELODROME_HOME": str(home), "RUNTIME": "host"} | settings
    # Nothing is installed here, so that no test waits for it; what is checked of it is the free space.
    found = runtime(load(environ | {"VELODROME_INSTALLS": str(load(user_environ(), ROOT).installs)}, ROOT), progress())
    assert isinstance(found, HostRuntime)
    return found


def write(file: Path, content: bytes | str = "", mode: int = 0o600) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(mode)


@pytest.fixture
def filled(tmp_path: Path) -> HostRuntime:
    """A copy that is down and holds a little of everything."""
    home = tmp_path / "a home"
    for cluster in CLUSTERS:
        write(home / cluster / "PG_VERSION", "18\n")
        write(home / cluster / "base" / "1" / "112", os.urandom(9_000))
        (home / cluster / "pg_notify").mkdir(mode=0o700)
        write(home / cluster / "postmaster.pid", "1\n")
        write(home / cluster / ".s.PGSQL.5432.lock", "1\n")
    write(home / "data/source/s3pipe", "#!/bin/sh\n", 0o700)
    write(home / "data/s3/objects/ä ☃/one", b"\0\1")
    write(home / "data/s3/tmp/x")
    write(home / "data/s3/lock")
    os.link(home / "data/s3/objects/ä ☃/one", home / "data/s3/objects/two")
    write(home / "data/emr-serverless/state.sqlite", b"SQLite")
    write(home / "data/airflow/plugins/mine.py", "x = 1\n", 0o644)
    write(home / "data/airflow/airflow.cfg", "paths of another machine")
    (home / "data/airflow/latest").symlink_to("plugins")
    write(home / "dataset/.origin", "generated from seed 1 at scale 1\n12 13")
    write(home / "dataset/orders.csv", "order_id\n1\n")
    write(home / "secrets.env", "SOURCE_PASSWORD=one\nREDSHIFT_PASSWORD='t w#o'\n")
    return host(home, REDSHIFT_DATABASE="ware'house", SOURCE_PORT="15432", AWS_REGION="eu-west-1")


@pytest.fixture
def archive(filled: HostRuntime, tmp_path: Path) -> Path:
    file = tmp_path / "copy.tar.gz"
    backups.backup(filled, file, progress())
    return file


def restored(file: Path, home: Path, **settings: str) -> HostRuntime:
    fresh = host(home, **settings)
    backups.restore(fresh, file, progress())
    return fresh


def refused(file: Path, home: Path, message: str, **settings: str) -> None:
    """It is refused, with this in the message, and nothing is left of it."""
    with pytest.raises((BackupError, StackError)) as error:
        restored(file, home, **settings)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not home.exists()


def members(file: Path) -> Members:
    with tarfile.open(file) as tar:
        return [(info, stream.read() if (stream := tar.extractfile(info)) else b"") for info in tar]


def rewrite(file: Path, changed: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Path:
    other = file.with_name("other.tar.gz")
    with tarfile.open(other, "w:gz") as tar:
        for info, content in changed:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return other


def with_manifest(file: Path, **values: Any) -> Path:
    [(info, text), *rest] = members(file)
    return rewrite(file, [(info, json.dumps(json.loads(text) | values).encode()), *rest])


def tree(home: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(home)): p.read_bytes() if p.is_file() else None for p in sorted(home.rglob("*"))}


# ---- what it keeps ------------------------------------------------------------------------------------------------


def test_all_but_scratch_is_kept(filled: HostRuntime, archive: Path, tmp_path: Path) -> None:
    home = filled.settings.home
    before = tree(home)
    fresh = restored(archive, tmp_path / "b home").settings.home
    after = tree(fresh)
    gone = {name for name in before.keys() - after.keys() if not name.startswith("run")}
    scratch = ("postmaster.pid", ".s.PGSQL.5432.lock", "s3pipe", "data/s3/tmp", "data/s3/tmp/x", "data/s3/lock")
    scratch += ("data/airflow/airflow.cfg", "data/airflow/latest")
    assert {name for name in gone if not name.endswith(scratch)} == set()
    assert after.keys() - before.keys() == {"settings.env"}
    same = after.keys() - {"settings.env", "secrets.env"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_all_is_private_and_the_archive_too(archive: Path, tmp_path: Path) -> None:
    fresh = restored(archive, tmp_path / "b home").settings.home
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    for path in (fresh, fresh / "secrets.env", fresh / "settings.env", *(fresh / "data/source").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((fresh / "data/source").stat().st_mode) == 0o700


def test_secrets_and_what_the_data_depend_on_come_along_and_nothing_else(archive: Path, tmp_path: Path) -> None:
    fresh = restored(archive, tmp_path / "b home", S3_PORT="14566").settings.home
    settings = load({"VELODROME_HOME": str(fresh)}, ROOT)
    assert (settings["SOURCE_PASSWORD"], settings["REDSHIFT_PASSWORD"]) == ("one", "t w#o")
    assert (settings["REDSHIFT_DATABASE"], settings["AWS_REGION"]) == ("ware'house", "eu-west-1")
    assert read_env_file(fresh / "settings.env") == {
        "AWS_REGION": "eu-west-1",
        "REDSHIFT_DATABASE": "ware'house",
        "RUNTIME": "host",
    }


def test_what_is_said_of_it(filled: HostRuntime, tmp_path: Path) -> None:
    text = backups.backup(filled, tmp_path / "a copy.tar.gz", progress()).text()
    assert f"make restore FILE='{tmp_path}/a copy.tar.gz'" in text
    assert "passwords" in text and "mode 600" in text and "generated from seed 1 at scale 1." in text


def test_the_manifest_comes_first_and_says_what_must_be_known(archive: Path) -> None:
    [(info, text), (second, _), *_, (last, _)] = members(archive)
    manifest = json.loads(text)
    assert (info.name, second.name, last.name) == ("manifest.json", "secrets.env", "end.json")
    assert (manifest["format"], manifest["postgresql"], manifest["runtime"]) == (FORMAT, "18", "host")
    assert manifest["dataset"] == "generated from seed 1 at scale 1"
    assert set(manifest["settings"]) == set(DATA_SETTINGS)


# ---- what cannot be written ---------------------------------------------------------------------------------------


def test_nothing_is_overwritten(filled: HostRuntime, tmp_path: Path) -> None:
    file = tmp_path / "there"
    file.write_text("mine")
    with pytest.raises(BackupError, match="is there already"):
        backups.backup(filled, file, progress())
    assert file.read_text() == "mine"


def test_a_folder_that_is_missing_or_no_folder(filled: HostRuntime, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("nowhere", "file"):
        with pytest.raises(BackupError, match=f"no folder {tmp_path}/{folder}"):
            backups.backup(filled, tmp_path / folder / "copy.tar.gz", progress())


def test_a_file_within_the_data(filled: HostRuntime) -> None:
    with pytest.raises(BackupError, match="lies in what is copied"):
        backups.backup(filled, filled.settings.home / "data/airflow/copy.tar.gz", progress())


def test_a_copy_without_data(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="nothing to back up"):
        backups.backup(host(tmp_path / "home"), tmp_path / "copy.tar.gz", progress())


def test_a_tablespace_is_refused_and_no_draft_stays(filled: HostRuntime, tmp_path: Path) -> None:
    (filled.settings.home / "data/source/pg_tblspc").mkdir()
    (filled.settings.home / "data/source/pg_tblspc/16400").symlink_to(tmp_path)
    (tmp_path / "out").mkdir()
    with pytest.raises(BackupError, match="is a tablespace"):
        backups.backup(filled, tmp_path / "out/copy.tar.gz", progress())
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_named_and_no_draft_stays(filled: HostRuntime, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(filled.settings.home / "data/source/base/1/113", os.urandom(300_000))
    environ = user_environ() | {"VELODROME_HOME": str(filled.settings.home), "RUNTIME": "host"}
    # A limit on a file's size stands for the disk's: writing past it fails as on a full one, with another reason.
    limited = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000)); from velodrome.cli import app; app()"  # noqa: E501
    argv = [sys.executable, "-c", limited, "backup", str(tmp_path / "out/copy.tar.gz")]
    done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be written (File too large): make room, or name a file on another disk" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


# ---- what is not taken --------------------------------------------------------------------------------------------


def test_a_copy_that_holds_data(filled: HostRuntime, archive: Path) -> None:
    with pytest.raises(BackupError, match="holds data: run `make reset` first"):
        backups.restore(filled, archive, progress())


def test_any_data_is_enough_to_refuse(archive: Path, tmp_path: Path) -> None:
    write(tmp_path / "home/data/s3/objects/mine")
    with pytest.raises(StackError, match="data/s3 is there: run `make reset` first"):
        restored(archive, tmp_path / "home")
    assert tree(tmp_path / "home").keys() == {"data", "data/s3", "data/s3/objects", "data/s3/objects/mine"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2, "new": 1}, "is of format 2, and this velodrome (0.1.0) reads format 1"),
        ({"machine": "s390x"}, "was made on s390x, and services run on"),
        ({"postgresql": "17"}, "holds databases of PostgreSQL 17, and this checkout has 18"),
        ({"postgresql": 18}, "manifest.json: a value is not plain text"),
        ({"more": "x"}, "manifest.json: it lacks"),
        ({"settings": {}}, "it does not say its AWS_REGION"),
        ({"settings": dict.fromkeys(DATA_SETTINGS, "a\nRUNTIME=host")}, "manifest.json: a value is not plain text"),
        ({"format": "1"}, "manifest.json: it has no format"),
    ],
)
def test_what_does_not_fit_is_named(archive: Path, tmp_path: Path, values: dict[str, Any], message: str) -> None:
    refused(with_manifest(archive, **values), tmp_path / "b home", message)


def test_a_setting_that_the_data_contradict(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATABASE", "other")
    refused(archive, tmp_path / "b home", "unset SOURCE_DATABASE")


def test_another_machines_paths_and_ports_are_not_taken(archive: Path, tmp_path: Path) -> None:
    [(info, text), *rest] = members(archive)
    manifest = json.loads(text)
    manifest["settings"] |= {"VELODROME_INSTALLS": "/evil", "SOURCE_PORT": "1", "RUNTIME": "compose"}
    [(secrets, lines), *parts] = rest
    other = rewrite(
        archive,
        [(info, json.dumps(manifest).encode()), (secrets, lines + b"VELODROME_INSTALLS=/evil\nS3_PORT=1\n"), *parts],
    )
    fresh = restored(other, tmp_path / "b home").settings.home
    text = (fresh / "settings.env").read_text() + (fresh / "secrets.env").read_text()
    assert "evil" not in text and "PORT" not in text and "compose" not in text


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, size, 0o777
    return info


HOSTILE = [
    (named("/etc/cron.d/x"), "is no name of ours"),
    (named("../x"), "is no name of ours"),
    (named("data/source/../../../x"), "is no name of ours"),
    (named("data/source/./x"), "is no name of ours"),
    (named("data/source//x"), "is no name of ours"),
    (named("data/x"), "is no name of ours"),
    (named("data"), "is no name of ours"),
    (named("installs/cli/bin/velodrome"), "is no name of ours"),
    (named("settings.env"), "is no name of ours"),
    (named("data/source/link", tarfile.SYMTYPE, "/etc"), "is neither file nor folder"),
    (named("data/source/link", tarfile.LNKTYPE, "manifest.json"), "is neither file nor folder"),
    (named("data/source/device", tarfile.CHRTYPE), "is neither file nor folder"),
    (named("data/source/pipe", tarfile.FIFOTYPE), "is neither file nor folder"),
    (named("data/source/strange", b"Z"), "is neither file nor folder"),
    (named("data/source/nowhere/x"), "is out of its order"),
    (named("data/source/PG_VERSION"), "data/source/PG_VERSION cannot be written (File exists)"),
    (named("data/source", tarfile.DIRTYPE), "is out of its order"),
    (named("data/s3/objects/late"), "data/s3 comes twice"),
]


@pytest.mark.parametrize(("member", "message"), HOSTILE, ids=[f"{m.name} {m.type!r}" for m, _ in HOSTILE])
def test_hostile_members(archive: Path, tmp_path: Path, member: tarfile.TarInfo, message: str) -> None:
    *all_but_end, end = members(archive)
    refused(rewrite(archive, [*all_but_end, (member, b""), end]), tmp_path / "b home", message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a home", "copy.tar.gz", "other.tar.gz"]


def test_a_mode_cannot_open_anything(archive: Path, tmp_path: Path) -> None:
    loose = members(archive)
    for info, _ in loose:
        info.mode = 0o7777
    fresh = restored(rewrite(archive, loose), tmp_path / "b home").settings.home
    assert {stat.S_IMODE(path.stat().st_mode) for path in (fresh / "data/source").rglob("*")} == {0o700}


def raw(archive: Path, change: Callable[[bytearray], bytes | bytearray]) -> Path:
    """The archive with its uncompressed bytes changed, compressed anew."""
    other = archive.with_name("other.tar.gz")
    other.write_bytes(gzip.compress(change(bytearray(gzip.decompress(archive.read_bytes()))), 1))
    return other


def giant_name(data: bytearray) -> bytes:
    info = named("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=1 << 32)
    return info.tobuf(tarfile.GNU_FORMAT) + b"a" * 1_000_000


def giant_manifest(data: bytearray) -> bytes:
    return named("manifest.json", size=1 << 32).tobuf() + b" " * 1_000_000


def deep_manifest(data: bytearray) -> bytes:
    return named("manifest.json", size=60_000).tobuf() + b"[" * 60_000 + bytes(480 + 1024)


BROKEN: list[tuple[str, Callable[[Path], Path], str]] = [
    ("empty", lambda file: cut(file, 0), "is not a backup"),
    ("cut in its header", lambda file: cut(file, 5), "is not a backup"),
    ("cut in the middle", lambda file: cut(file, file.stat().st_size // 2), "is not a backup"),
    ("cut of its checksum", lambda file: cut(file, file.stat().st_size - 8), "is not a backup"),
    ("cut of one byte", lambda file: cut(file, file.stat().st_size - 1), "is not a backup"),
    ("another checksum", lambda file: patched(file, -6, b"\1\2"), "is not a backup"),
    ("cut before gzip", lambda file: raw(file, lambda data: data[: len(data) // 2]), "is not a backup"),
    ("cut at a member's end", lambda file: rewrite(file, members(file)[:-1]), "it has no end; it was cut"),
    ("a file less", lambda file: rewrite(file, without(file, "1/112")), "does not hold what it says it holds"),
    ("a part less", lambda file: rewrite(file, without(file, "data/redshift")), "does not hold what it says"),
    ("giant name", lambda file: raw(file, giant_name), "a header says 4294967296 bytes"),
    ("giant manifest", lambda file: raw(file, giant_manifest), "manifest.json has 4294967296 bytes"),
    ("deep manifest", lambda file: raw(file, deep_manifest), "manifest.json"),
    ("not gzip", lambda file: patched(file, 0, b"PK"), "is not a backup"),
    ("not tar", lambda file: raw(file, lambda data: b"hello " * 1000), "is not a backup"),
    (
        "another tar.gz",
        lambda file: rewrite(file, [(named("README.md"), b"x")]),
        "manifest.json is not where it belongs",
    ),
]


def cut(file: Path, size: int) -> Path:
    other = file.with_name("other.tar.gz")
    other.write_bytes(file.read_bytes()[:size])
    return other


def patched(file: Path, at: int, content: bytes) -> Path:
    other, data = file.with_name("other.tar.gz"), bytearray(file.read_bytes())
    at %= len(data)
    data[at : at + len(content)] = content
    other.write_bytes(data)
    return other


def without(file: Path, name: str) -> Members:
    return [(info, content) for info, content in members(file) if name not in info.name]


@pytest.mark.parametrize(("spoil", "message"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_files(archive: Path, tmp_path: Path, spoil: Callable[[Path], Path], message: str) -> None:
    refused(spoil(archive), tmp_path / "b home", message)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    refused(tmp_path / "none", tmp_path / "b home", "cannot be read (No such file or directory): name a backup")


def test_whatever_is_changed_in_it_is_one_message_or_no_harm(archive: Path, tmp_path: Path) -> None:
    """Every header's bytes, changed at random: no other error than ours, and nothing outside the copy."""
    chance = random.Random(1)
    with tarfile.open(archive) as tar:
        headers = [info.offset for info in tar]
    accepted = 0
    for number in range(150):
        at = chance.choice(headers) + chance.randrange(512)
        value = chance.choice((0, 0x2F, 0x80, 0xFF, 0x30, 0x78))

        def change(data: bytearray, at: int = at, value: int = value) -> bytearray:
            data[at] = value
            start = at - at % 512
            total = sum(data[start : start + 148]) + 256 + sum(data[start + 156 : start + 512])
            data[start + 148 : start + 156] = b"%06o\0 " % total  # a checksum that is right again
            return data

        home = tmp_path / str(number)
        try:
            restored(raw(archive, change), home)
            accepted += 1
        except (BackupError, StackError):
            assert not home.exists()
    assert accepted < 150
    assert {path.name for path in tmp_path.iterdir() if not path.name.isdigit()} == {
        "a home",
        "copy.tar.gz",
        "other.tar.gz",
    }


def test_what_an_interrupted_restore_left_is_cleared(archive: Path, tmp_path: Path) -> None:
    write(tmp_path / "home" / STAGING / "data/source/PG_VERSION", "17")
    fresh = restored(archive, tmp_path / "home").settings.home
    assert not (fresh / STAGING).exists()
    assert (fresh / "data/source/PG_VERSION").read_text() == "18\n"


def test_a_file_that_git_would_take_is_refused(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("*.tar.gz\n")
    copy = host(tmp_path / "home")
    with pytest.raises(BackupError, match="would be one of a git checkout's own files, and it holds passwords"):
        backups.backup(copy, tmp_path / "copy.tgz", progress())
    with pytest.raises(BackupError, match="there is nothing to back up"):  # the next thing that is looked at
        backups.backup(copy, tmp_path / "copy.tar.gz", progress())


def test_what_the_documents_name_is_ignored_by_git() -> None:
    argv = ["git", "-C", str(ROOT), "check-ignore", "--quiet", "copy.tar.gz"]
    assert subprocess.run(argv, check=False).returncode == 0
