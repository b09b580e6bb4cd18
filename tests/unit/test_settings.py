"""The settings table: documented, resolved in its order, private where it must be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from velodrome import settings as module
from velodrome.settings import SETTINGS, SettingError, generate_secrets, keep_settings, load, read_env_file

ROOT = Path(__file__).parents[2]
NAMES = [setting.name for setting in SETTINGS]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "env").mkdir()
    (tmp_path / "airflow").mkdir()
    (tmp_path / "env" / "local.env").write_text("SOURCE_PORT=15432\nS3_PORT='14566'  # a comment\n")
    return tmp_path


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_local_env_documents_every_setting_with_its_default(setting: module.Setting) -> None:
    documented = read_env_file(ROOT / "env" / "local.env")
    assert setting.name in documented, f"{setting.name} is not in env/local.env"
    if setting.default:
        assert documented[setting.name] == setting.default


@pytest.mark.parametrize("profile", ["local.env", "aws.env.example"])
def test_a_profile_file_holds_no_unknown_name_and_no_password(profile: str) -> None:
    values = read_env_file(ROOT / "env" / profile)
    assert set(values) <= set(NAMES)
    assert [name for name in values if values[name] and next(s for s in SETTINGS if s.name == name).secret] == []


def test_nothing_but_the_settings_reads_the_environment() -> None:
    # profile.py reads what every AWS client reads, with nothing imported: a helper that must start in milliseconds
    # uses it. S3's server is given an environment that was made from the settings, and hands it on to the hooks.
    allowed = {"src/velodrome/settings.py", "src/velodrome/awsapi/profile.py", "src/velodrome/s3/server.py"}
    readers = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "src").rglob("*.py")
        if re.search(r"os\.environ|os\.getenv|from os import .*environ", file.read_text(encoding="utf-8"))
    }
    assert readers <= allowed


def test_environment_overrules_the_profile_file_which_overrules_the_default(project: Path) -> None:
    found = load({"SOURCE_PORT": "25432"}, project)
    assert (found["SOURCE_PORT"], found["S3_PORT"], found["REDSHIFT_PORT"]) == ("25432", "14566", "5439")
    assert found["S3_ENDPOINT_URL"] == "http://127.0.0.1:14566"


def test_the_home_of_a_project_lies_in_it(project: Path) -> None:
    assert load({}, project / "env").home == project / ".velodrome"


def test_a_value_of_the_environment_is_taken_as_it_is(project: Path) -> None:
    assert load({"SOURCE_DATABASE": "a$b${c}"}, project)["SOURCE_DATABASE"] == "a$b${c}"


def test_secrets_are_generated_once_into_a_private_file(project: Path) -> None:
    first = generate_secrets(load({}, project))
    file = first.home / "secrets.env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(first["SOURCE_PASSWORD"]) >= 24
    assert first["AIRFLOW_DATABASE_PASSWORD"] in first["AIRFLOW_DATABASE_URL"]
    assert dict(generate_secrets(load({}, project))) == dict(first)


def test_a_copy_remembers_what_it_was_started_with(project: Path) -> None:
    environ = {"REDSHIFT_PORT": "15439", "SOURCE_PASSWORD": "not kept here"}
    keep_settings(load(environ, project), environ)
    assert load({}, project)["REDSHIFT_PORT"] == "15439"
    assert load({"REDSHIFT_PORT": "25439"}, project)["REDSHIFT_PORT"] == "25439"
    assert "not kept" not in (project / ".velodrome" / "settings.env").read_text()


def test_relative_paths_count_from_where_the_command_is_run(project: Path) -> None:
    assert load({"DATASET": "files", "VELODROME_HOME": "copy"}, project)["DATASET"] == str(project / "files")
    found = load({"VELODROME_HOME": "copy"}, project)
    assert found.home == project / "copy"
    assert found["AWS_CONFIG_FILE"] == str(project / "copy" / "aws" / "config")
    assert found.installs == project / "copy" / "installs"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SOURCE_PORT", "expected NAME=value"),
        ("SOURCE_PORT=1 2", "expected NAME=value"),
        ('SOURCE_PORT="1', "No closing quotation"),
    ],
)
def test_a_line_that_is_no_setting_is_named(project: Path, line: str, message: str) -> None:
    (project / "env" / "local.env").write_text(f"S3_PORT=1\n{line}\n")
    with pytest.raises(SettingError, match=rf"local\.env:2: .*{message}"):
        load({}, project)


@pytest.mark.parametrize(
    ("environ", "name", "method", "message"),
    [
        ({"S3_PORT": "many"}, "S3_PORT", "integer", "S3_PORT='many' is not a whole number"),
        ({"REDSHIFT_SSL": "1"}, "REDSHIFT_SSL", "flag", "REDSHIFT_SSL='1' is neither true nor false"),
        ({}, "SOURCE_PASSWORD", "required", "SOURCE_PASSWORD has no value"),
        ({}, "NO_SUCH", "required", "there is no setting NO_SUCH"),
    ],
)
def test_a_wrong_value_is_named(project: Path, environ: dict[str, str], name: str, method: str, message: str) -> None:
    with pytest.raises(SettingError, match=re.escape(message)):
        getattr(load(environ, project), method)(name)


def test_settings_that_refer_to_each_other_are_refused(project: Path) -> None:
    (project / "env" / "local.env").write_text(
        "S3_ENDPOINT_URL='${EMR_SERVERLESS_ENDPOINT_URL}'\nEMR_SERVERLESS_ENDPOINT_URL='${S3_ENDPOINT_URL}'\n"
    )
    with pytest.raises(SettingError, match="refers to itself"):
        load({}, project)


def test_a_shell_set_up_for_an_account_does_not_steer_the_local_stack(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    environ = module.service_environ(load(module.user_environ(), project))
    assert environ["AWS_PROFILE"] == "local"
    assert "AWS_ACCESS_KEY_ID" not in environ
