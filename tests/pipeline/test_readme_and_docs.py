"""Every command and code block of the README and the documents runs, and every link leads somewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from copy_of_stack import ROOT, Copy, checkout

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Pictures and output are not for running; all else is.
NOT_RUN = {"mermaid", "text"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    document: Path
    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    """All fenced blocks, in their order."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            found.append(Block(document, text.count("\n", 0, match.start()) + 1, match[1], match[2]))
    return found


@pytest.fixture(scope="module")
def running(stack: Copy) -> Copy:
    """The stack of the tests before, up."""
    stack.check("up")
    return stack


@pytest.mark.parametrize(
    "block",
    [block for block in blocks() if block.language not in NOT_RUN],
    ids=lambda block: f"{block.document.name}:{block.line}",
)
def test_a_block_runs(running: Copy, block: Block) -> None:
    assert block.language == "sh", "a block is sh, or says that it is not for running (text, mermaid)"
    result = running.command(["bash", "-euo", "pipefail", "-c", block.text])
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    assert result.stdout.strip() or "rm -r" in block.text


def test_every_link_leads_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if not target.startswith("https://"):
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_make_target_of_the_documents_is_there(running: Copy) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z0-9-]+)", document.read_text(encoding="utf-8")))
        assert named <= targets, document.name
    assert targets <= set(re.findall(r"make ([a-z0-9-]+)", running.command(["make", "help"]).stdout))


def test_reset_forgets_the_data_and_keeps_the_installs(stack: Copy) -> None:
    stack.check("reset")
    assert not (stack.home / "data").exists() and not (stack.home / "secrets.env").exists()
    assert (stack.settings.installs / "airflow").is_dir()
    assert "Nothing runs" in stack.run("status").stdout


def test_nothing_is_written_into_the_checkout(stack: Copy) -> None:
    assert checkout() == stack.checkout
