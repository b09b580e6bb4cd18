"""What a failing test leaves behind of the stack it ran on."""

from __future__ import annotations

from pathlib import Path

import evidence
import pytest
from copy_of_stack import Copy

from velodrome.runtime.services import SERVICES


@pytest.fixture(scope="module")
def running(stack: Copy) -> Copy:
    """The stack of the tests before, up."""
    stack.check("up")
    return stack


def test_logs_and_a_picture_of_the_newest_run(running: Copy, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    evidence.collect(running, folder)
    for name in SERVICES:
        assert (folder / "logs" / f"{name}.log").stat().st_size > 0, name
    own = running.home / "logs"  # jobs' or builds' logs are there too, as the runtime has it
    assert all((folder / "logs" / file.relative_to(own)).exists() for file in own.rglob("*"))
    assert "RUNNING" in (folder / "logs" / "status.txt").read_text()
    assert not (folder / evidence.NO_PICTURE).exists(), (folder / evidence.NO_PICTURE).read_text()
    picture = (folder / evidence.PICTURE).read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000  # an empty page has less


def test_without_a_browser_it_says_so(running: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no browser: install one of chromium"):
        evidence.picture(running.settings, tmp_path / evidence.PICTURE)
