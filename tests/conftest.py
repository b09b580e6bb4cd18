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


def group(item: pytest.Item) -> str:
    """The folder or file whose tests stay in one process."""
    root = item.config.rootpath
    path = item.path.relative_to(root) if item.path.is_relative_to(root) else item.path
    folder = Path(*path.parts[:2]).as_posix()
    return folder if folder in TOGETHER else path.as_posix()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give each test its group before pytest-xdist looks for it."""
    item.add_marker(pytest.mark.xdist_group(group(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the groups into the order in which they are handed out."""
    items.sort(key=lambda item: (group(item) not in TOGETHER, "/services/" not in f"/{group(item)}"))
