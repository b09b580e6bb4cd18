"""What all tests share: evidence is kept of what fails on a whole stack, and two processes run the tests.

Tests wait for servers most of the time, so two at once take little longer than one. What shares a whole stack stays in
one process, and so does each file of the others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["evidence"]

# Those that share what takes long to start; the longest come first, so that no process is left alone with them.
TOGETHER = ("tests/pipeline", "tests/stack")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test its group, and bring the groups into the order in which they are handed out."""

    def group(item: pytest.Item) -> str:
        path = item.path.relative_to(config.rootpath) if item.path.is_relative_to(config.rootpath) else item.path
        folder = Path(*path.parts[:2]).as_posix()
        return folder if folder in TOGETHER else path.as_posix()

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: (group(item) not in TOGETHER, "/services/" not in f"/{group(item)}"))
