"""What a setting may be: each wrong value is refused at once with its name, and nothing of it stays."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from velodrome import cli
from velodrome.runtime.prepare import prepare_home
from velodrome.runtime.refusals import problems
from velodrome.settings import SETTINGS, SettingError, keep_settings, load, write_kept

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of its own in a git checkout, with the profile's files."""
    folder = tmp_path / "project"
    (folder / "airflow").mkdir(parents=True)
    shutil.copytree(ROOT / "env", folder / "env")
    (folder / ".gitignore").write_text("/.velodrome/\n")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=n", "-c", "user.email=e@e", "commit", "-qm", "all")
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def velodrome(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The console in this process, run in the project: velodrome("up", S3_PORT="1")."""
    for name in {name for name in os.environ if name in {setting.name for setting in SETTINGS}}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(project)

    def run(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(cli.app, arguments, env={"RUNTIME": "host", **environ})

    return run


WRONG = [
    ("SOURCE_PORT", "99999", "is not a port, a whole number from 1 to 65535"),
    ("S3_PORT", "0", "is not a port, a whole number from 1 to 65535"),
    ("REDSHIFT_PORT", "5439 ", "is not a port, a whole number from 1 to 65535"),
    ("PORT_OFFSET", "-1", "is not a whole number from 0 to 60000"),
    ("DATASET_SCALE", "-1", "is not a number above 0, up to 1000"),
    ("DATASET_SCALE", "inf", "is not a number above 0, up to 1000"),
    ("DATASET_SEED", "one", "is not a whole number from 0 to 9223372036854775807"),
    ("REDSHIFT_SSL", "yes", "is not true or false"),
    ("AIRFLOW_DEFERRABLE", "1", "is not true or false"),
    ("AIRFLOW_PARALLELISM", "abc", "is not a whole number from 1 to 512"),
    ("AIRFLOW_REFRESH_INTERVAL", "0", "is not a whole number from 1 to 3600"),
    ("EMR_WAITER_DELAY", "2.5", "is not a whole number from 1 to 3600"),
    ("EMR_SERVERLESS_LOG_INTERVAL", "nan", "is not a number above 0, up to 3600"),
    ("BUSINESS_TIME_ZONE", "Mars", "is not a time zone of the tz database (UTC, Europe/Berlin, …)"),
    ("EMR_RELEASE_LABEL", "emr-9.9.9", "is none of the releases that are here: emr-spark-8.0.0, "),
    ("EMR_MAXIMUM_CAPACITY", "lots", 'is not JSON of a capacity: {"cpu": "16 vCPU", "memory": "64 GB"}'),
    ("EMR_MAXIMUM_CAPACITY", '{"cpu": "16 vCPU"}', 'is not JSON of a capacity: {"cpu": "16 vCPU", "memory": "64 GB"}'),
    ("LISTEN_ADDRESS", "1.2.3.4", "is not an IPv4 address of this machine (127.0.0.1, say)"),
    ("LISTEN_ADDRESS", "localhost", "is not an IPv4 address of this machine (127.0.0.1, say)"),
    ("SOURCE_HOST", "300.1.2.3", "is not a host's name or address"),
    ("S3_ENDPOINT_URL", "127.0.0.1:4566", "is not a URL: http://host:port or https://host:port"),
    ("S3_ENDPOINT_URL", "http://127.0.0.1:99999", "is not a URL: http://host:port or https://host:port"),
    ("RAW_BUCKET", "Raw_Bucket", "is not a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens"),
    ("SOURCE_DATABASE", "two words", "is not a database's name: a letter, then letters, digits and _, 63 at most; "),
    ("SOURCE_DATABASE", "template1", "template0, template1, rdsadmin, padb_harvest and pg_… are the service's own"),
    ("REDSHIFT_DATABASE", "padb_harvest", "are the service's own"),
    ("SOURCE_USER", "rdsadmin", "rdsadmin, rds_superuser, public and pg_… are the service's own"),
    ("SOURCE_USER", "pg_me", "rdsadmin, rds_superuser, public and pg_… are the service's own"),
    ("REDSHIFT_USER", "rdsdb", "rdsdb, public and pg_… are the service's own"),
    ("REDSHIFT_USER", "Public", "rdsdb, public and pg_… are the service's own"),
    ("EMR_SPARK_PARAMETERS", '--conf "x', "sparkSubmitParameters cannot be read: No closing quotation"),
    ("EMR_SPARK_PARAMETERS", "--conf", "sparkSubmitParameters: --conf has no value"),
    ("EMR_SPARK_PARAMETERS", "--frob 1", "--frob"),
    ("AIRFLOW_USER", "a,b", "is not a user's name: letters, digits and ._@+-, 64 at most"),
    ("EMR_RUNTIME_ROLE_ARN", "role", "is not a role's ARN: arn:aws:iam::000000000000:role/name"),
    ("REDSHIFT_WORKGROUP", "My_Group", "is not a name of 3 to 64 lower-case letters, digits and hyphens"),
    ("EMR_SPARK_PARAMETERS", "--conf a=b\n--conf c=d", "holds a line break; it must be one line of text"),
    ("SOURCE_DATABASE", "a\x1bb", "holds the control character '\\x1b'; it must be a database's name"),
    ("RUNTIME", "podman", "is not host or compose"),
    ("EMR_SERVERLESS_OVERSIZED", "shrink", "is not scale or refuse"),
    ("VELODROME_INSTALLS", "/nowhere/a:b", 'is not a folder (one without : and " in its path)'),
    ("DATASET", "env/local.env", 'is not a folder (one without : and " in its path)'),
]


@pytest.mark.parametrize(("name", "value", "why"), WRONG, ids=[f"{row[0]}={row[1]!r}" for row in WRONG])
def test_a_wrong_value_is_refused_with_name_value_and_what_it_may_be(
    project: Path, name: str, value: str, why: str
) -> None:
    found = [problem for problem in problems(load({name: value}, project)) if name in problem.partition("=")[0]]
    assert len(found) == 1 and why in found[0]
    shown = str(project / value) if name == "DATASET" else value
    assert found[0].startswith(f"setting {name}={shown!r} ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMR_MAXIMUM_CAPACITY", '{"cpu": "4 vCPU",\n "memory": "16 GB"}'),
        ("EMR_MAXIMUM_CAPACITY", '{"cpu": "4vCPU", "memory": "16GB", "disk": "20 GB"}'),
        ("BUSINESS_TIME_ZONE", "America/Argentina/Buenos_Aires"),
        ("DATASET_SCALE", ".25"),
        ("SOURCE_HOST", "db.example.com"),
        ("S3_ENDPOINT_URL", "https://[::1]:443"),
        ("RDS_IMPORT_ROLE_ARN", "arn:aws-cn:iam::123456789012:role/path/to/name"),
        ("EMR_SPARK_PARAMETERS", "--conf spark.app.name='ein Häuschen'"),
        ("VELODROME_HOME", "ein Häuschen"),
    ],
)
def test_what_a_setting_may_be(project: Path, name: str, value: str) -> None:
    assert problems(load({name: value}, project)) == []


def test_the_defaults_are_what_they_may_be() -> None:
    assert problems(load({"VELODROME_HOME": "/nowhere"}, ROOT)) == []
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_a_secret_is_named_and_not_repeated(project: Path) -> None:
    found = problems(load({"SOURCE_PASSWORD": "hush\nhush", "AIRFLOW_DATABASE_PASSWORD": "a@hush/"}, project))
    assert [problem.split(" ")[1] for problem in found] == ["SOURCE_PASSWORD", "AIRFLOW_DATABASE_PASSWORD"]
    assert "hush" not in " ".join(found)


def test_a_line_that_is_no_setting_repeats_no_password(project: Path, velodrome: Run) -> None:
    home = project / ".velodrome"
    home.mkdir()
    (home / "secrets.env").write_text("SOURCE_PASSWORD=hush hush\n")
    result = velodrome("up")
    assert result.exit_code == 1
    assert "secrets.env:1: expected NAME=value, quoted if it contains blanks: 'SOURCE_PASSWORD=…'" in result.stderr
    assert "hush" not in result.stderr


def test_a_file_that_begins_with_a_mark_of_utf_8(project: Path) -> None:
    file = project / "env" / "local.env"
    file.write_text("\ufeff" + file.read_text())
    assert problems(load({}, project)) == []


def test_up_refuses_all_of_it_at_once_and_keeps_nothing(project: Path, velodrome: Run) -> None:
    with (project / "env" / "local.env").open("a") as profile:
        profile.write("REDSHFT_PORT=1\n")
    wrong = {"SOURCE_PORT": "99999", "AIRFLOW_PARALLELISM": "abc", "BUSINESS_TIME_ZONE": "Mars"}
    result = velodrome("up", **wrong)
    assert result.exit_code == 1
    lines = result.stderr.removeprefix("velodrome: ").splitlines()
    assert [line.split(" ")[1].partition("=")[0] for line in lines[:-1]] == [*wrong]
    assert lines[-1] == f"{project}/env/local.env: there is no setting REDSHFT_PORT; is it REDSHIFT_PORT?"
    assert not (project / ".velodrome").exists()


@pytest.mark.parametrize("command", ["up", "status", "run", "env", "down", "reset", "psql", "rds"])
def test_no_command_acts_under_another_profile(project: Path, velodrome: Run, command: str) -> None:
    shutil.copyfile(project / "env" / "aws.env.example", project / "env" / "aws.env")
    result = velodrome(command, PROFILE="aws")
    assert result.exit_code == 1
    assert "setting PROFILE='aws': velodrome starts and asks services on this machine" in result.stderr
    assert git(project, "status", "--porcelain") == "?? env/aws.env\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("AWS_PROFILE=aws", "setting AWS_PROFILE='aws': velodrome starts and asks services on this machine"),
        ("AWS_CONFIG_FILE='${VELODROME_PROJECT}/env/aws/config'", "lies in the checkout, where nothing is written"),
        ("AWS_CONFIG_FILE='${VELODROME_PROJECT}/../config'", "is a file of somebody else's"),
        ("VELODROME_HOME='${VELODROME_PROJECT}'", "holds other files: it must be a folder of this copy's own"),
        ("VELODROME_HOME='${VELODROME_PROJECT}/env'", "holds other files: it must be a folder of this copy's own"),
        ("VELODROME_HOME='${VELODROME_PROJECT}/..'", "holds other files: it must be a folder of this copy's own"),
    ],
)
def test_what_would_write_over_other_files_is_refused(project: Path, velodrome: Run, line: str, message: str) -> None:
    (project.parent / "config").write_text("[default]\nregion = eu-west-1\n")
    with (project / "env" / "local.env").open("a") as profile:
        profile.write(f"{line}\n")
    before = git(project, "status", "--porcelain")
    result = velodrome("up")
    assert result.exit_code == 1 and message in result.stderr
    assert git(project, "status", "--porcelain") == before
    assert "eu-west-1" in (project.parent / "config").read_text()


def test_a_home_in_the_checkout_shows_nothing_to_git(project: Path) -> None:
    prepare_home(load({"VELODROME_HOME": "second"}, project))
    assert (project / "second" / "secrets.env").is_file()
    assert git(project, "status", "--porcelain") == ""


def test_a_value_of_several_lines_is_kept_as_it_is(project: Path) -> None:
    environ = {"EMR_MAXIMUM_CAPACITY": '{"cpu": "4 vCPU",\n "memory": "16 GB"}', "S3_PORT": "14566"}
    keep_settings(load(environ, project), environ)
    found = load({}, project)
    assert {name: found[name] for name in environ} == environ


def test_status_down_and_reset_work_with_a_broken_file_of_kept_settings(project: Path, velodrome: Run) -> None:
    write_kept(load({}, project), {"S3_PORT": "14566"})
    kept = project / ".velodrome" / "settings.env"
    kept.write_text("S3_PORT=abc\nEMR_MAXIMUM_CAPACITY='{\n")
    up = velodrome("up")
    assert up.exit_code == 1
    assert f"{kept}:2: No closing quotation\nThis file is the copy's own: mend that line or remove it" in up.stderr
    for command, code in (("status", 1), ("down", 0), ("reset", 0)):
        result = velodrome(command)
        assert result.exit_code == code, result.stderr
        assert f"velodrome: warning: {kept}:2: No closing quotation" in result.stderr
        assert f"velodrome: warning: {kept}: setting S3_PORT='abc' is not a port" in result.stderr
    assert not kept.exists()


def test_a_wrong_value_that_was_kept_is_said_to_be(project: Path) -> None:
    write_kept(load({}, project), {"SOURCE_PORT": "99999"})
    assert problems(load({}, project)) == [
        "setting SOURCE_PORT='99999' is not a port, a whole number from 1 to 65535 "
        f"(it is kept in {project}/.velodrome/settings.env)"
    ]


def test_down_works_with_a_profile_that_refers_to_what_is_not_there(project: Path, velodrome: Run) -> None:
    (project / "env" / "local.env").write_text("S3_ENDPOINT_URL='${NO_SUCH}'\n")
    result = velodrome("down")
    assert result.exit_code == 0 and "NO_SUCH" in result.stderr
    with pytest.raises(SettingError, match="NO_SUCH"):
        load({}, project)


def test_one_setting_moves_all_ports_that_are_not_given(project: Path) -> None:
    found = load({"PORT_OFFSET": "1000", "SOURCE_PORT": "7777"}, project)
    assert (found["S3_PORT"], found["S3_ENDPOINT_URL"]) == ("5566", "http://127.0.0.1:5566")
    assert (found["AIRFLOW_PORT"], found["SOURCE_PORT"]) == ("9080", "7777")
    keep_settings(found, {"PORT_OFFSET": "1000"})
    assert load({}, project)["REDSHIFT_PORT"] == "6439"
    # A service is given what is moved already.
    assert load(dict(found), project)["S3_PORT"] == "5566"
    assert problems(load({"PORT_OFFSET": "58000"}, project)) == [
        "setting AIRFLOW_PORT='66080' is not a port, a whole number from 1 to 65535"
    ]


def test_two_services_with_one_port_are_refused(project: Path) -> None:
    assert problems(load({"S3_PORT": "5432"}, project)) == [
        "settings SOURCE_PORT and S3_PORT are both 5432: set one to another port"
    ]


@pytest.mark.parametrize(("answer", "code", "kept"), [(b"n\n", 1, True), (b"y\n", 0, False)])
def test_reset_asks_on_a_terminal(project: Path, answer: bytes, code: int, kept: bool) -> None:
    prepare_home(load({}, project))
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    environ = {"PATH": os.environ["PATH"], "RUNTIME": "host"}
    argv = [str(Path(sys.executable).with_name("velodrome")), "reset"]
    result = subprocess.run(argv, cwd=project, env=environ, stdin=theirs, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stderr
    assert "This removes all data, logs and passwords in" in result.stdout
    assert (project / ".velodrome" / "secrets.env").exists() is kept
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    "command", [("up",), ("down",), ("backup", "copy.tar.gz"), ("restore", "copy.tar.gz"), ("reset",), ("clean",)]
)
def test_one_command_at_a_time_changes_a_copy(project: Path, velodrome: Run, command: tuple[str, ...]) -> None:
    home = project / ".velodrome"
    (home / "data").mkdir(parents=True)
    folder = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # as a command does until it ends
        result = velodrome(*command)
    finally:
        os.close(folder)
    assert result.exit_code == 1
    assert result.stderr == (
        f"velodrome: another command (up, down, backup, restore, reset or clean) is at work on {home}: "
        "wait for its end, or end it with Ctrl-C where it runs\n"
    )
    assert (home / "data").is_dir()
    assert velodrome("down").exit_code == 0
