"""The one stack in containers that the tests of this folder share; they run in the order of their files."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
from copy_of_stack import Copy


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A copy that nothing has been started in; the first test brings it up."""
    copy = Copy(tmp_path_factory.mktemp("stack") / "home", "compose", DATASET_SCALE="0.5")
    try:
        yield copy
    finally:
        copy.run("clean")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()
