"""Airflow's environment, as airflow/environment.py makes it from the profile's settings."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from velodrome.settings import generate_secrets, load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("airflow_environment", ROOT / "airflow" / "environment.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return dict(generate_secrets(load({"VELODROME_HOME": str(tmp_path)}, ROOT)))


def test_the_profile_has_every_setting_that_is_needed(
    module: ModuleType, settings: dict[str, str], tmp_path: Path
) -> None:
    made = module.environment(settings)
    assert made["AIRFLOW_HOME"] == f"{tmp_path}/data/airflow"
    assert made["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://127.0.0.1:{settings['AIRFLOW_PORT']}/execution/"
    assert made["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"] == f"s3://{settings['LOG_BUCKET']}/airflow-log"
    assert json.loads(made["AIRFLOW_VAR_EMR_MAXIMUM_CAPACITY"]) == json.loads(settings["EMR_MAXIMUM_CAPACITY"])


def test_connections_survive_any_password(module: ModuleType, settings: dict[str, str]) -> None:
    settings |= {"SOURCE_PASSWORD": "a\"b'c%d$e{f} \\", "REDSHIFT_SSL": "true"}
    made = module.environment(settings)
    assert json.loads(made["AIRFLOW_CONN_RDS_CONN"])["password"] == "a\"b'c%d$e{f} \\"
    assert json.loads(made["AIRFLOW_CONN_REDSHIFT_CONN"])["extra"]["ssl"] is True
    assert json.loads(made["AIRFLOW_CONN_AWS_DEFAULT"]) == {
        "conn_type": "aws",
        "extra": {"region_name": settings["AWS_REGION"]},
    }


def test_keys_differ_by_purpose_and_stay_the_same(module: ModuleType, settings: dict[str, str]) -> None:
    names = ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY")
    made = module.environment(settings)
    assert len({made[name] for name in names}) == 3
    assert len(base64.urlsafe_b64decode(made["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert [made[name] for name in names] == [module.environment(settings)[name] for name in names]


def test_a_missing_setting_is_named(module: ModuleType, settings: dict[str, str]) -> None:
    settings["SOURCE_HOST"] = ""
    with pytest.raises(SystemExit, match="setting SOURCE_HOST has no value"):
        module.environment(settings)


def test_a_proxy_does_not_get_between(module: ModuleType, settings: dict[str, str]) -> None:
    assert module.environment(settings)["NO_PROXY"] == "127.0.0.1,localhost"
    assert module.environment(settings | {"NO_PROXY": "example.org"})["NO_PROXY"] == "example.org,127.0.0.1,localhost"


@pytest.mark.parametrize("name", ["SOURCE_BUCKET", "AIRFLOW_USER"])
def test_given_variables_of_airflow_do_not_get_through(module: ModuleType, settings: dict[str, str], name: str) -> None:
    made = module.environment(settings | {"AIRFLOW_VAR_SOURCE_BUCKET": "other", "AIRFLOW__API__PORT": "1"})
    assert made["AIRFLOW_VAR_SOURCE_BUCKET"] == settings["SOURCE_BUCKET"]
    assert made["AIRFLOW__API__PORT"] == settings["AIRFLOW_PORT"]
