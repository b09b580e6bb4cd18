"""The house's rules: what may import what, how long a file is, what no file may contain."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("rds", "s3", "emr_serverless", "redshift")


def tracked(*patterns: str) -> list[Path]:
    """The tracked files that match, or all."""
    output = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in output.splitlines() if (ROOT / line).is_file()]


def imports(file: Path) -> set[str]:
    """The modules that a Python file names in its imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", tracked("airflow/*.py", "spark/jobs/*.py"), ids=lambda file: file.name)
def test_what_runs_on_aws_does_not_know_the_stand_ins(file: Path) -> None:
    assert not [name for name in imports(file) if name.split(".")[0] == "velodrome"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_stand_ins_do_not_know_each_other(service: str) -> None:
    others = tuple(f"velodrome.{name}" for name in (*SERVICES, "runtime") if name != service)
    for file in (ROOT / "src" / "velodrome" / service).rglob("*.py"):
        assert not [name for name in imports(file) if name.startswith(others)], file


# Folder of EMR Serverless → the folders that it knows.
EMR_SERVERLESS = {
    "spark": (),
    "dashboards": ("spark",),
    "jobs": ("spark", "dashboards"),
    "sessions": ("spark", "dashboards", "jobs"),
}


@pytest.mark.parametrize("folder", EMR_SERVERLESS)
def test_emr_serverless_is_built_in_layers(folder: str) -> None:
    above = set(EMR_SERVERLESS) - {folder, *EMR_SERVERLESS[folder]}
    for file in (ROOT / "src" / "velodrome" / "emr_serverless" / folder).rglob("*.py"):
        relative = re.findall(r"^ *from \.\.(\w+)[. ]", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert not above & set(relative), file


@pytest.mark.parametrize("folder", ["airflow", "localstack"])
def test_folders_named_like_packages_do_not_hide_them(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_no_file_hides_two() -> None:
    long = {file.name: lines for file in tracked("*.py") if (lines := len(file.read_text().splitlines())) > 600}
    assert not long


def test_every_python_file_says_first_what_it_is_for() -> None:
    # LocalStack's hooks say it in a comment.
    silent = [file for file in tracked("*.py") if not file.read_text(encoding="utf-8").startswith(('"""', "# "))]
    assert not silent


def test_no_file_names_a_package_registry_or_a_password() -> None:
    # Registries are the user's own settings; passwords are generated.
    hosts = r"pythonhosted|pypi\.org|repo1?\.maven|registry\.npm|deb\.debian"
    secret = r"(?i)(password|secret_access_key)[ ]*[=:][ ]*['\"]?[A-Za-z0-9+/_-]{12,}"
    for file in tracked():
        if file.suffix in {".png"} or file == Path(__file__):
            continue
        text = file.read_text(encoding="utf-8")
        assert not re.search(hosts, text), file
        if "tests" not in file.parts and file.suffix in {".env", ".example", ".yml", ".sh", ".sql", ""}:
            assert not re.search(secret, text), file


def test_nothing_but_s3_knows_its_engine() -> None:
    """Another engine can be put behind it by changing src/velodrome/s3 and the folder that it names."""
    named = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "src").rglob("*.py")
        if (ROOT / "src" / "velodrome" / "s3") not in file.parents
        and re.search("localstack|moto", file.read_text(encoding="utf-8"), re.IGNORECASE)
    ]
    assert named == []
