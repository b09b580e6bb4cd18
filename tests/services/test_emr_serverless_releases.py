"""EMR Serverless installs a release when an application wants it; here no package index answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_emr_serverless_api import client, create, refused, start_job, state

from velodrome.runtime import install
from velodrome.settings import Settings
from velodrome.testing import free_port, own_settings, run_service, wait_until


def test_a_release_that_cannot_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = own_settings(tmp_path)
    for name in ("emr-serverless", "spark"):
        install.ensure(name, settings, print)
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{free_port()}/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    installs = tmp_path / "installs"
    installs.mkdir()
    for name in ("spark", "jars", "emr-serverless"):
        made = (settings.installs_in_use / name).resolve()
        (installs / made.name).symlink_to(made)
    with run_service(
        "emr-serverless", tmp_path, Settings({**settings, "VELODROME_INSTALLS": str(installs)})
    ) as running:
        emr = client(running.settings)
        made, changed = create(emr, releaseLabel="emr-7.0.0"), create(emr)
        application = emr.get_application(applicationId=made)["application"]
        assert application["state"] == "CREATING"
        assert application["stateDetails"].startswith("emr-7.0.0 is being installed: ")
        with refused(
            "ValidationException",
            400,
            f"Application {made} must be in one of the following statuses [CREATED, STOPPED]. Current status: CREATING",
        ):
            start_job(emr, made)
        emr.update_application(applicationId=changed, releaseLabel="emr-7.0.0")
        for id in (made, changed):
            wait_until("the installer to give up", lambda id=id: state(emr, id) == "TERMINATED", 60)
            details = emr.get_application(applicationId=id)["application"]["stateDetails"]
            assert details.startswith(
                "Release label emr-7.0.0 could not be installed: could not install spark-3.5.0-delta-3.0.0 "
                "(from the table of releases):"
            )
            assert "Connection refused" in details
        assert not (installs / "spark-3.5.0-delta-3.0.0" / ".stamp").exists()
