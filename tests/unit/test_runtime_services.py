"""A service that cannot be started, under a supervisord of its own: what status, doctor, up and down say of it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from velodrome.runtime import doctor
from velodrome.runtime.findings import FAIL
from velodrome.runtime.host import HostRuntime
from velodrome.runtime.progress import Progress
from velodrome.runtime.services import INSTALLS, SERVICES
from velodrome.runtime.summary import show_status
from velodrome.settings import load
from velodrome.testing import free_port, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[HostRuntime]:
    """A copy whose source database ends as soon as it is started, again and again."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "env", project / "env")
    for install in {INSTALLS[service.install] for service in SERVICES.values()}:
        for file in install.requirements:
            (project / file).parent.mkdir(exist_ok=True)
            (project / file).write_text("")
    (project / "postgres-init" / "start.sh").write_text("echo 'out of luck'; exit 3\n")
    ports = {port: str(free_port()) for service in SERVICES.values() for port in service.ports}
    environ = {"RUNTIME": "host", "VELODROME_INSTALLS": str(tmp_path / "installs"), "PATH": "/usr/bin:/bin"}
    runtime = HostRuntime(load(environ | ports, project), Progress(Console(file=io.StringIO())))
    runtime.begin(runtime.settings)
    try:
        runtime.start("source")
        wait_until("the source to be tried again", lambda: runtime.state("source").word == "BACKOFF")
        yield runtime
    finally:
        runtime.stop()


def test_a_service_that_ends_at_once_is_seen(broken: HostRuntime) -> None:
    output = io.StringIO()
    assert show_status(Console(file=output, width=160), broken) is False
    row = next(line for line in output.getvalue().splitlines() if " source " in line)
    assert "BACKOFF" in row or "STARTING" in row
    found = [finding for finding in doctor.Located(broken.settings).services() if finding.found.startswith("source")]
    wait_until("it to be between two tries", lambda: broken.state("source").word == "BACKOFF")
    found = found or [one for one in doctor.Located(broken.settings).services() if one.found.startswith("source")]
    assert [(one.state, one.fix) for one in found] == [(FAIL, "make logs SERVICE=source, then make up")]
    assert found[0].found == "source is in state BACKOFF: out of luck"
