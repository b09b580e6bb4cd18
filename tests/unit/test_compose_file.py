"""docker-compose.yml and the Dockerfile against the tables of settings, services and installs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from velodrome.runtime.compose import BUILT, image_name
from velodrome.runtime.services import INSTALLS, SERVICES
from velodrome.settings import SETTINGS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
# The images say where these are; the console alone reads the others.
NOT_PASSED = {"VELODROME_PROJECT", "VELODROME_HOME", "VELODROME_INSTALLS", "RUNTIME", "DATASET", "PORT_OFFSET"}
# Made from others; and containers have no TLS, as host processes have none.
DERIVED = {"AIRFLOW_DATABASE_URL", "REDSHIFT_SSL"}
SECRETS = {setting.name for setting in SETTINGS if setting.secret}
ONCE = {"prepare", "airflow-init"}


def test_the_services_are_those_of_the_host_runtime() -> None:
    assert set(COMPOSE["services"]) == {*SERVICES, "prepare"}


def test_every_setting_that_people_can_set_reaches_the_containers() -> None:
    known = {setting.name for setting in SETTINGS}
    assert set(COMPOSE["x-settings"]) == known - SECRETS - NOT_PASSED - DERIVED


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
class TestEachService:
    def test_runs_without_rights(self, name: str) -> None:
        service = COMPOSE["services"][name]
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"user", "privileged", "cap_add", "pid", "ipc"} & set(service)

    def test_has_limits(self, name: str) -> None:
        service = COMPOSE["services"][name]
        assert re.fullmatch(r"\d+g", service["mem_limit"])
        assert service["logging"]["options"] == {"max-size": "20m", "max-file": "2"}

    def test_comes_back_unless_it_runs_once(self, name: str) -> None:
        service = COMPOSE["services"][name]
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
        assert ("healthcheck" in service) == (name not in ONCE)

    def test_gets_its_passwords_from_a_file(self, name: str) -> None:
        assert not SECRETS & set(COMPOSE["services"][name]["environment"])

    def test_changes_nothing_of_the_checkout(self, name: str) -> None:
        mounts = [volume.split(":") for volume in COMPOSE["services"][name]["volumes"]]
        assert all(mount[2:] == ["ro"] for mount in mounts if mount[0].startswith("."))
        # The passwords' volume: only what makes them may write there.
        assert [mount[2:] for mount in mounts if mount[1] == "/var/lib/velodrome"] == (
            [[]] if name == "prepare" else [["ro"]]
        )


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_and_stop_signals_are_those_of_the_table(name: str) -> None:
    service, entry = COMPOSE["services"][name], SERVICES[name]
    assert service.get("stop_signal", "SIGTERM") == f"SIG{entry.stop_signal}"
    if entry.port is None:
        assert "ports" not in service
        return
    defaults = {setting.name: setting.default for setting in SETTINGS}
    assert service["ports"] == [f"127.0.0.1:${{{port}:-{defaults[port]}}}:{defaults[port]}" for port in entry.ports]
    assert all(COMPOSE["x-settings"][port] == int(defaults[port]) for port in entry.ports)


def test_each_image_is_built_once_and_named_after_the_project() -> None:
    built = {name for name, service in COMPOSE["services"].items() if "build" in service}
    assert built == set(BUILT)
    for name, service in COMPOSE["services"].items():
        assert service["image"].startswith("${COMPOSE_PROJECT_NAME}-")
        assert name in built or service["pull_policy"] == "never"
    for name in BUILT:
        assert COMPOSE["services"][name]["build"] == {"context": ".", "target": image_name(name)}


def test_the_images_have_the_host_runtime_s_requirements_and_start_scripts() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    final = {
        stage.split()[2]: stage for stage in stages if stage.split()[2:3] and stage.split()[2] in map(image_name, BUILT)
    }
    assert set(final) == {image_name(name) for name in BUILT}
    for install in INSTALLS.values():
        (requirements,) = install.requirements
        if not requirements.startswith("tests/"):  # no image needs those
            assert f"make-install {install.name} {requirements}" in DOCKERFILE
    for name, service in SERVICES.items():
        folder, script = service.start[0].split("/")
        stage = final[service.install if service.install != "airflow" else "airflow"]
        assert re.search(rf"^COPY .*\b{folder}/{re.escape(script)}\b", stage, re.MULTILINE), name


def test_no_image_runs_as_root_or_is_given_a_secret() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[-len(BUILT) :]
    assert all(re.findall(r"^USER (.*)$", stage, re.MULTILINE) == ["10001:10001"] for stage in stages)
    assert not re.search(r"^ARG|PASSWORD|SECRET|TOKEN", DOCKERFILE, re.MULTILINE)
    # A registry may be out of reach: no frontend, no digest is fetched.
    assert "# syntax" not in DOCKERFILE and "@sha256" not in DOCKERFILE
