"""The table of release labels, and `velodrome emr`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from velodrome.cli import app
from velodrome.emr_serverless.errors import ValidationException
from velodrome.emr_serverless.spark.install import read_coordinates
from velodrome.emr_serverless.spark.releases import DEFAULT, RELEASES, find
from velodrome.settings import SETTINGS

PROJECT = Path(__file__).resolve().parents[2]


def test_the_default_is_what_the_project_pins() -> None:
    """The table says what spark/ installs: one truth, though images read the files and the service reads the table."""
    packages, excluded = read_coordinates(PROJECT / "spark" / "jars.txt")
    assert sorted(DEFAULT.packages) == sorted(packages)
    assert list(DEFAULT.line.excluded) == excluded
    pinned = (PROJECT / "spark" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert set(DEFAULT.requirements) <= set(pinned)
    assert {setting.name: setting.default for setting in SETTINGS}["EMR_RELEASE_LABEL"] == DEFAULT.label


def test_every_release_can_be_put_together() -> None:
    for label, release in RELEASES.items():
        assert find(label) == release
        assert re.fullmatch(r"emr-spark-8\.0(\.0|-preview)|emr-7\.\d+\.0", label)
        assert all(package.count(":") == 2 for package in release.packages)
        assert all("==" in requirement for requirement in release.requirements)
    assert {f"emr-7.{minor}.0" for minor in range(14)} <= set(RELEASES)


def test_releases_with_the_same_versions_share_an_install(tmp_path: Path) -> None:
    assert find("emr-7.11.0").folders(tmp_path) == find("emr-7.12.0").folders(tmp_path)
    assert find("emr-7.10.0").folders(tmp_path) != find("emr-7.12.0").folders(tmp_path)
    assert DEFAULT.folders(tmp_path) == (tmp_path / "spark", tmp_path / "jars")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("emr-6.15.0",
         "Release label emr-6.15.0 is not available in Velodrome; emr-7.0.0 and later are: `velodrome emr releases`"),
        ("emr-9.9.9", "Release label emr-9.9.9 is not supported"),
        ("7.0.0", "Release label 7.0.0 is not supported"),
    ],
)  # fmt: skip
def test_labels_that_are_not_there(label: str, message: str) -> None:
    with pytest.raises(ValidationException) as caught:
        find(label)
    assert caught.value.message == message


@pytest.mark.parametrize("label", ["emr-7.0.0", "emr-spark-8.0.0"])
def test_a_release_that_is_not_installed(tmp_path: Path, label: str) -> None:
    assert not find(label).installed(tmp_path)
    with pytest.raises(ValidationException) as caught:
        find(label).install(tmp_path)
    assert caught.value.message == (
        f"Release label {label} is not installed in Velodrome: run `velodrome emr install {label}`"
    )


def test_the_console_lists_releases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VELODROME_PROJECT", str(PROJECT))
    monkeypatch.setenv("VELODROME_INSTALLS", str(tmp_path))
    result = CliRunner().invoke(app, ["emr", "releases"])
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if line.strip().startswith("emr-")]
    assert [row[0] for row in rows] == list(RELEASES)
    assert rows[0][1:] == ["(default)", "4.0.2", "4.0.0", "2.13"]


def test_the_console_refuses_unknown_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VELODROME_PROJECT", str(PROJECT))
    monkeypatch.setenv("VELODROME_INSTALLS", str(tmp_path))
    result = CliRunner().invoke(app, ["emr", "install", "emr-9.9.9"])
    assert (result.exit_code, result.stderr) == (1, "velodrome: Release label emr-9.9.9 is not supported\n")
    assert list(tmp_path.iterdir()) == []


def test_the_document_has_the_table() -> None:
    text = (PROJECT / "docs" / "emr_serverless_jobs.md").read_text(encoding="utf-8")
    found = {}
    for labels, spark, delta, scala in re.findall(
        r"^\| (emr-[^|]*) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.M
    ):
        for label in labels.removesuffix(" (default)").split(", "):
            found[label if label.startswith("emr-") else f"emr-{label}"] = (spark, delta, scala)
    assert found == {label: (one.spark, one.delta, one.line.scala) for label, one in RELEASES.items()}
