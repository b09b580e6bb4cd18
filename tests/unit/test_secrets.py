"""Each service's environment holds the secrets that it needs, and no others."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from velodrome.runtime import supervisor
from velodrome.runtime.services import SERVICES
from velodrome.settings import SECRETS_FILE, Settings, generate_secrets, load, secret_settings, service_environ

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {
    "source": {"SOURCE_PASSWORD"},
    "airflow-db": {"AIRFLOW_DATABASE_PASSWORD"},
    "s3": set(),
    "redshift": {"REDSHIFT_PASSWORD"},
    "emr-serverless": set(),
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    return generate_secrets(load({"VELODROME_HOME": str(home), "SOURCE_PASSWORD": 'it\'s "one" $HOME `x` \\'}, ROOT))


def test_these_are_secret(settings: Settings) -> None:
    assert secret_settings() == {
        "AWS_LOCAL_SECRET_ACCESS_KEY",
        "SOURCE_PASSWORD",
        "REDSHIFT_PASSWORD",
        "AIRFLOW_PASSWORD",
        "AIRFLOW_SECRET_KEY",
        "AIRFLOW_DATABASE_PASSWORD",
        "AIRFLOW_DATABASE_URL",
    }
    assert (settings.home / SECRETS_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_its_own(settings: Settings, name: str) -> None:
    service = SERVICES[name]
    needed = NEEDED.get(name, secret_settings() - {"AWS_LOCAL_SECRET_ACCESS_KEY"})
    assert service_environ(settings, service.secrets).keys() & secret_settings() == needed
    # The shell that becomes the service reads them as they are.
    script = f'{supervisor.secrets_of(service, settings)}\nprintf %s "$SOURCE_PASSWORD"'
    found = subprocess.run(["/bin/sh", "-c", script], env={}, capture_output=True, text=True, check=True).stdout
    assert found == (settings["SOURCE_PASSWORD"] if "SOURCE_PASSWORD" in needed else "")


def test_supervisord_has_none(settings: Settings) -> None:
    secrets = [settings[name] for name in secret_settings()]
    written = supervisor.configuration(settings) + repr(service_environ(settings, ()))
    assert not [one for one in secrets if one in written or shlex.quote(one) in written]
