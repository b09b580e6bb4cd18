"""The one rule: DAGs, jobs and SQL name no endpoint, bucket, region, account, password, nor ask where they run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from velodrome.settings import load

ROOT = Path(__file__).parents[2]
FOLDERS = ("airflow/dags", "spark/jobs", "warehouse/schema", "warehouse/load")
FILES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.suffix in (".py", ".sql"))

BUCKETS = "|".join(re.escape(value) for name, value in load({}, ROOT).items() if name.endswith("_BUCKET"))
FORBIDDEN = {
    "an endpoint": r"(?i)https?://|endpoint|\blocalhost\b|\b\d{1,3}(\.\d{1,3}){3}\b|amazonaws",
    "a bucket": rf"s3[an]?://(?!bucket\b)[\w]|\b({BUCKETS})\b",
    "a region": r"\b(us|eu|ap|sa|ca|me|af|il|mx|cn)(-gov|-iso[a-z]?)?-(north|south|east|west|central)[a-z]*-\d\b",
    "an account": r"arn:aws|(?<![\d.])\d{12}(?![\d.])",
    "a password": r"(?i)passw(or)?d|secret|access_key|credential",
    "a question where it runs": r"(?i)\benviron\b|\bgetenv\b|\baws_profile\b|velodrome|localstack|\bis_local\b|"
    r"\bgethostname\b|\bplatform\b|\buname\b|\binet_server_addr\b",
}


def said(file: Path) -> str:
    """What a file says to a machine: no comments, no docstrings; a value put into a text stands as {}."""
    text = file.read_text(encoding="utf-8")
    return python_said(text) if file.suffix == ".py" else sql_said(text)


def sql_said(text: str) -> str:
    return re.sub(r"--.*|/\*.*?\*/", "", text)


def python_said(text: str) -> str:
    tree = ast.parse(text)
    silent = set()
    words = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            assert isinstance(docstring, ast.Expr)
            silent.add(id(docstring.value))
        if isinstance(node, ast.JoinedStr):
            words.append("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values))
            silent |= {id(part) for part in node.values}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            words.append(node.value)
        words += [
            value
            for name in ("id", "attr", "arg", "name", "module")
            if isinstance(value := getattr(node, name, None), str)
        ]
    return "\n".join(words)


def broken(text: str) -> list[str]:
    """Which parts of the rule a text breaks."""
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)]


def test_there_are_files() -> None:
    assert {file.relative_to(ROOT).parts[0] for file in FILES} == {"airflow", "spark", "warehouse"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_keeps_the_rule(file: Path) -> None:
    assert broken(said(file)) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("client('s3', endpoint_url=x)", "an endpoint"),
        ("get('http://x')", "an endpoint"),
        ("connect('127.0.0.1')", "an endpoint"),
        ("path = 's3://some-bucket/x'", "a bucket"),
        ("f's3://data/{x}'", "a bucket"),
        ("bucket = 'bike-store-raw'", "a bucket"),
        ("region = 'us-east-1'", "a region"),
        ("region = 'us-gov-west-1'", "a region"),
        ("role = 'arn:aws:iam::1:role/x'", "an account"),
        ("account = '123456789012'", "an account"),
        ("connect(password='x')", "a password"),
        ("os.environ['X']", "a question where it runs"),
        ("from os import getenv", "a question where it runs"),
        ("import velodrome.settings", "a question where it runs"),
    ],
)
def test_each_break_is_seen(text: str, what: str) -> None:
    assert broken(python_said(text)) == [what]


@pytest.mark.parametrize(
    "text",
    [
        "path = f's3://{bucket}/x'",
        "path = 's3://{{ var.value.raw_bucket }}/x'",
        "help = 'such as s3://bucket'",
        "'''See https://x'''",
        "# http://x",
    ],
)
def test_what_is_allowed(text: str) -> None:
    assert broken(python_said(text)) == []
