"""What all tests share: evidence is kept of what fails on a whole stack, and two processes run the tests.

Tests wait for servers most of the time, so two at once take little longer than one. What shares a whole stack stays in
one process, and so does each file of the others.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["evidence"]

# Those that share what takes long to start: a whole stack, the servers of each PostgreSQL version.
TOGETHER = ("tests/pipeline/", "tests/stack/", "tests/services/test_aws_s3_")
# These come first, so that no process is left alone with them.
LONGEST = TOGETHER[:2]


class Groups(LoadScopeScheduling):
    """Hands out whole files, and whole what begins as TOGETHER has it.

    (pytest-xdist's own groups, `--dist loadgroup`, have no effect with pytest 9.2: it writes them into node ids, which
    can no longer be changed.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((start for start in TOGETHER if nodeid.startswith(start)), nodeid.split("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order in which they are handed out."""
    items.sort(key=lambda item: (not item.nodeid.startswith(LONGEST), not item.nodeid.startswith("tests/services/")))
