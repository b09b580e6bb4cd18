"""CI does what people do: Make targets alone, on every Python that is promised, and keeps evidence of what fails."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
JOBS = [
    (file, name, job)
    for file in FILES
    for name, job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].items()
]


def uses(job: dict[str, Any], action: str) -> list[dict[str, Any]]:
    """The steps of a job that use an action."""
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]


def commands(job: dict[str, Any]) -> Iterator[str]:
    """The command lines of a job, one for each value of its matrix."""
    matrix = job.get("strategy", {}).get("matrix", {})
    for step in job["steps"]:
        for line in step.get("run", "").splitlines():
            name = re.search(r"\$\{\{ matrix\.(\w+) \}\}", line)
            yield from [line.replace(name[0], value) for value in matrix[name[1]]] if name else [line]


@pytest.fixture(params=JOBS, ids=lambda entry: f"{entry[0].name}:{entry[1]}")
def job(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each job of each workflow."""
    found: dict[str, Any] = request.param[2]
    return found


def test_a_job_calls_nothing_but_make_targets(job: dict[str, Any]) -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    calls = list(commands(job))
    assert calls
    for line in calls:
        words = re.fullmatch(r"make ([a-z]+)((?: [A-Z]+=[\w/.-]+)*)", line)
        assert words, f"not a plain call of make: {line}"
        assert words[1] in targets, line


def test_every_suite_is_run() -> None:
    run = {word for *_, job in JOBS for line in commands(job) for word in re.findall(r"TESTS=(\S+)", line)}
    there = {str(file.parent.relative_to(ROOT)) for file in (ROOT / "tests").glob("*/test_*.py")}
    assert there <= run


def test_every_promised_python_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = SpecifierSet(project["requires-python"])
    minors = [f"3.{minor}" for minor in range(40) if f"3.{minor}" in promised]
    matrices = [job["strategy"]["matrix"]["python"] for *_, job in JOBS if "strategy" in job]
    assert matrices and all(matrix == minors for matrix in matrices)
    fixed = {step["with"]["python-version"] for *_, job in JOBS for step in uses(job, "actions/setup-python")}
    assert fixed - {"${{ matrix.python }}"} <= set(minors)


def test_a_failed_test_leaves_its_evidence() -> None:
    testing = [job for *_, job in JOBS if any("test" in line.split() for line in commands(job))]
    assert testing
    for job in testing:
        (upload,) = uses(job, "actions/upload-artifact")
        assert upload["if"] == "failure()"
        assert upload["with"]["path"] == ".velodrome/evidence"
        # Its folder begins with a dot, which the action leaves out unless told.
        assert upload["with"]["include-hidden-files"] is True


def test_a_job_is_bounded_and_may_only_read(job: dict[str, Any]) -> None:
    assert job["timeout-minutes"] <= 60
    assert "permissions" not in job
    for step in job["steps"]:
        assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), step
    for step in uses(job, "actions/checkout"):
        assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_workflow_may_only_read_and_the_newest_push_wins(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True


def test_the_builders_cache_is_of_every_image() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    built = {name for name, service in compose["services"].items() if "build" in service}
    for *_, job in JOBS:
        for step in uses(job, "docker/bake-action"):
            for direction in ("from", "to"):
                assert set(re.findall(rf"^([\w-]+)\.cache-{direction}=", step["with"]["set"], re.MULTILINE)) == built
