"""The one stack that the tests of this folder share; they run in the order of their files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from copy_of_stack import Copy


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy that nothing has been started in; the first test brings it up."""
    copy = Copy(tmp_path_factory.mktemp("stack") / "a home", DATASET_SCALE="0.5")
    try:
        yield copy
    finally:
        copy.run("down")
