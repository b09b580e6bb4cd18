"""Installs that several copies share: a change makes another folder, and one goes when no copy uses it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from velodrome.emr_serverless.spark.install import work_folder
from velodrome.runtime import store
from velodrome.runtime.install import bin_folder, ensure, folder
from velodrome.runtime.services import SERVICES
from velodrome.settings import Settings, load

ROOT = Path(__file__).parents[2]
NAME = "airflow-deferrable"  # one that needs nothing but what its requirements say


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose requirements are empty, so that an environment is made in a moment."""
    made = tmp_path / "project"
    for file in ("airflow/requirements.txt", f"tests/{NAME}/requirements.txt", "env/local.env"):
        (made / file).parent.mkdir(parents=True, exist_ok=True)
        (made / file).write_text("")
    return made


def copy(project: Path, name: str) -> Settings:
    """One of the copies that share a folder of installs."""
    environ = {"VELODROME_HOME": str(project.parent / name), "VELODROME_INSTALLS": str(project.parent / "shared")}
    return load(environ, project)


def make(settings: Settings) -> bool:
    return ensure(NAME, settings, lambda text: None)


def change(project: Path) -> None:
    (project / "tests" / NAME / "requirements.txt").write_text("# of later\n")


def used(settings: Settings) -> Path:
    return (settings.installs_in_use / NAME).resolve()


def test_what_one_copy_runs_stays_when_the_other_has_later_requirements(project: Path) -> None:
    one, other = copy(project, "one"), copy(project, "other")
    assert make(one) is True and make(other) is False
    first = used(one)
    assert first == used(other) == folder(NAME, one) and (first / "bin" / "python").exists()
    change(project)
    assert make(other) is True
    assert used(one) == first and (first / "bin" / "python").exists()
    assert used(other) != first
    # People's commands find what was asked for last.
    assert (one.installs / NAME).resolve() == used(other)
    store.remove_unused(other)
    assert first.is_dir()
    make(one)
    store.remove_unused(one)
    assert not first.exists() and used(one) == used(other)


def test_clean_removes_what_no_other_copy_uses_and_nothing_else(project: Path) -> None:
    one, other = copy(project, "one"), copy(project, "other")
    make(one)
    first = used(one)
    change(project)
    make(other)
    second = used(other)
    (one.installs / "of somebody else").mkdir()
    (other.home / "run" / "installs" / NAME).unlink()  # as `reset` does
    (other.home / "run" / "installs").rmdir()
    assert store.remove_all(other) == [one.home]
    assert first.is_dir() and not second.exists() and not (one.installs / NAME).exists()
    (one.home / "run" / "installs" / NAME).unlink()
    (one.home / "run" / "installs").rmdir()
    assert store.remove_all(one) == []
    assert [entry.name for entry in one.installs.iterdir()] == ["of somebody else"]


def test_what_is_being_made_is_not_removed(project: Path) -> None:
    one = copy(project, "one")
    draft = store.folder(NAME, "0123456789abcdef", one)
    draft.mkdir(parents=True)
    with store.locked(store.lock_of(NAME, one)):
        store.remove_unused(one)
        assert draft.is_dir()
    store.remove_unused(one)
    assert not draft.exists()


def test_what_an_earlier_version_made_is_taken_over(project: Path) -> None:
    one = copy(project, "one")
    make(one)
    made = used(one)
    (one.installs / NAME).unlink()
    made.rename(one.installs / NAME)
    assert make(one) is False
    assert (one.installs / NAME).is_symlink() and used(one) == made and (made / "bin" / "python").exists()


def test_half_of_an_environment_is_made_anew(project: Path) -> None:
    one = copy(project, "one")
    make(one)
    (used(one) / store.STAMP).unlink()
    (used(one) / "bin" / "python").unlink()
    assert make(one) is True and (used(one) / "bin" / "python").exists()


def test_a_service_starts_from_the_folder_of_its_requirements(project: Path) -> None:
    one, service = copy(project, "one"), SERVICES["airflow-triggerer"]
    before = bin_folder(service, one)
    assert before == folder("airflow", one) / "bin"
    (project / "airflow" / "requirements.txt").write_text("# of later\n")
    assert bin_folder(service, one) != before


def test_what_a_killed_build_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    left = tmp_path / ".archive-of-a-killed-one"
    left.mkdir()
    (left / "java.jsa").write_bytes(b"half")
    (tmp_path / ".archive-stamp").write_text("what is made keeps its stamp")
    with work_folder(".archive-", tmp_path) as work:
        (work / "java.jsa").write_bytes(b"whole")
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / ".archive-stamp", work])
    assert [file.name for file in tmp_path.iterdir()] == [".archive-stamp"]


@pytest.mark.parametrize("name", ["VELODROME_HOME", "VELODROME_INSTALLS", "PYTHON"])
def test_make_takes_an_empty_setting_for_none(name: str) -> None:
    for argv, environ in ((["make", "-pn", "help"], {name: ""}), (["make", "-pn", "help", f"{name}="], {})):
        known = {"PATH": os.environ["PATH"]} | environ
        database = subprocess.run(argv, cwd=ROOT, env=known, capture_output=True, text=True, check=True).stdout
        assert {"VELODROME_INSTALLS := .velodrome/installs", "PYTHON := python3"} <= set(database.splitlines())
