"""Archives of a job: unpacked as they are, and never outside of their folder."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from velodrome.emr_serverless.spark.archives import ArchiveError, unpack

Member = tuple[str, bytes, str, int]


def tar(file: Path, *members: Member) -> Path:
    """Members are (name, kind, content or target of a link, mode)."""
    with tarfile.open(file, "w:gz") as archive:
        for name, kind, text, mode in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, mode
            if kind == tarfile.REGTYPE:
                member.size = len(text)
            else:
                member.linkname = text
            archive.addfile(member, io.BytesIO(text.encode()))
    return file


def zipped(file: Path, *members: tuple[str, str, int]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, text, mode in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, text)
    return file


def file(name: str, text: str = "text", mode: int = 0o644) -> Member:
    return name, tarfile.REGTYPE, text, mode


def link(name: str, target: str) -> Member:
    return name, tarfile.SYMTYPE, target, 0o777


def hard(name: str, target: str) -> Member:
    return name, tarfile.LNKTYPE, target, 0o755


@pytest.mark.parametrize("name", ["env.tar.gz", "env.tgz"])
def test_a_packed_environment(tmp_path: Path, name: str) -> None:
    packed = tar(
        tmp_path / name,
        file("bin/tool", "tool", 0o4755),
        file("lib/secret", "s", 0o400),
        link("bin/python", "/usr/bin/python3"),
        link("bin/python3", "python"),
        hard("bin/same", "bin/tool"),
    )
    unpack(packed, tmp_path / "made")
    made = tmp_path / "made"
    assert (made / "bin" / "tool").read_text(encoding="utf-8") == (made / "bin" / "same").read_text(encoding="utf-8")
    assert (made / "bin" / "tool").stat().st_mode & 0o7777 == 0o755
    assert (made / "lib" / "secret").stat().st_mode & 0o7777 == 0o600
    assert (made / "bin" / "python").readlink() == Path("/usr/bin/python3")
    assert (made / "bin" / "python3").readlink() == Path("python")


@pytest.mark.parametrize("name", ["env.zip", "env.jar"])
def test_zips(tmp_path: Path, name: str) -> None:
    packed = zipped(tmp_path / name, ("a/", "", 0o755), ("a/b.txt", "b", 0o644), ("c/run", "c", 0o755))
    unpack(packed, tmp_path / "made")
    assert (tmp_path / "made" / "a" / "b.txt").read_text(encoding="utf-8") == "b"
    assert (tmp_path / "made" / "c" / "run").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: tar(f / "a.tar.gz", file("../out")), "a.tar.gz has a member outside of it, ../out"),
        (lambda f: tar(f / "a.tar.gz", file("b/../../out")), "a.tar.gz has a member outside of it, b/../../out"),
        (lambda f: tar(f / "a.tar.gz", file("/out")), "a.tar.gz has a member outside of it, /out"),
        (lambda f: tar(f / "a.tar.gz", link("l", ".."), file("l/out")), "a.tar.gz has a member outside of it, l/out"),
        (lambda f: tar(f / "a.tar.gz", hard("h", "../victim")), "a.tar.gz has a member outside of it, ../victim"),
        (lambda f: tar(f / "a.tar.gz", link("l", "../victim"), hard("h", "l")),
         "a.tar.gz: h is a second name of a link, l"),
        (lambda f: tar(f / "a.tar.gz", ("d", tarfile.CHRTYPE, "", 0o644)), "a.tar.gz has a device, d"),
        (lambda f: zipped(f / "a.zip", ("../out", "", 0o644)), "a.zip has a member outside of it, ../out"),
    ],
)  # fmt: skip
def test_never_outside(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched", encoding="utf-8")
    with pytest.raises(ArchiveError) as caught:
        unpack(make(tmp_path), tmp_path / "made")
    assert str(caught.value) == message
    assert not (tmp_path / "out").exists()
    assert victim.read_text(encoding="utf-8") == "untouched"


def test_a_file_in_the_place_of_a_link_does_not_follow_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched", encoding="utf-8")
    unpack(tar(tmp_path / "a.tar.gz", link("l", "../victim"), file("l", "own")), tmp_path / "made")
    assert victim.read_text(encoding="utf-8") == "untouched"
    assert (tmp_path / "made" / "l").read_text(encoding="utf-8") == "own"


def test_no_archive(tmp_path: Path) -> None:
    for name, message in (
        ("a.txt", "a.txt is no archive: .jar, .tar.gz, .tgz and .zip are"),
        ("a.tar.gz", "a.tar.gz cannot be unpacked: not a gzip file"),
        ("a.zip", "a.zip cannot be unpacked: File is not a zip file"),
    ):
        (tmp_path / name).write_text("text", encoding="utf-8")
        with pytest.raises(ArchiveError) as caught:
            unpack(tmp_path / name, tmp_path / f"{name}-made")
        assert str(caught.value) == message
