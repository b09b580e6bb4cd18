"""In whose name aws_s3 asks an S3 that cares: the instance's roles, the keys of the call, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aws_s3_cases import BUCKET, REGION, Rds
from psycopg import errors
from strict_aws import StrictAws, run_strict_aws

from velodrome.rds import launcher

EXPORT = f"SELECT rows_uploaded FROM aws_s3.query_export_to_s3('SELECT 1', '{BUCKET}', %s, '{REGION}')"
IMPORT = f"SELECT aws_s3.table_import_from_s3('target', '', '', '{BUCKET}', %s, '{REGION}')"
WITH_KEYS = f"SELECT aws_s3.table_import_from_s3('target', '', '', '{BUCKET}', %s, '{REGION}', %s, %s, %s)"
REFUSED = "credentials stored with the database instance can't be accessed"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StrictAws]:
    with run_strict_aws(tmp_path_factory.mktemp("strict")) as running:
        running.client("s3").put_object(Bucket=BUCKET, Key="there", Body=b"1\n")
        yield running


@pytest.fixture(scope="module")
def instance(strict: StrictAws) -> tuple[str, str]:
    """The keys of the machine: all they may do is to assume roles."""
    return strict.user("instance", "sts:AssumeRole")


@pytest.fixture(scope="module")
def roles(strict: StrictAws) -> dict[str, str]:
    """As RDS's documentation makes them: one may write, the other read."""
    return {
        "export_role": strict.role("export", "s3:PutObject", "s3:AbortMultipartUpload"),
        "import_role": strict.role("import", "s3:GetObject", "s3:ListBucket"),
    }


class Instance:
    """The server's launcher while a test runs."""

    def __init__(self, rds: Rds, strict: StrictAws, folder: Path) -> None:
        self._rds, self._strict, self._folder = rds, strict, folder
        self._path = rds.data / "s3pipe"
        self._before = self._path.read_text() if self._path.exists() else None

    def use(self, keys: tuple[str, str] | None, import_role: str | None = None, export_role: str | None = None) -> None:
        config = self._strict.config(self._folder / "config", keys)
        text = launcher.text(config, "strict", import_role=import_role, export_role=export_role)
        self._write(text)

    def restore(self) -> None:
        if self._before is None:
            self._path.unlink()
        else:
            self._write(self._before)
        for kept in self._rds.data.glob("s3pipe.d/role-*.json"):
            kept.unlink()

    def _write(self, text: str) -> None:
        self._path.write_text(text)
        self._path.chmod(0o755)


@pytest.fixture
def machine(rds: Rds, strict: StrictAws, tmp_path: Path) -> Iterator[Instance]:
    used = Instance(rds, strict, tmp_path)
    yield used
    used.restore()


@pytest.fixture
def db(rds: Rds) -> Iterator[psycopg.Connection[Any]]:
    with rds.connect() as connection:
        connection.execute("CREATE TEMP TABLE target (id int)")
        connection.commit()
        yield connection
        connection.rollback()


def failure(db: psycopg.Connection[Any], statement: str, parameters: list[str | None]) -> psycopg.errors.Diagnostic:
    with pytest.raises(errors.SystemError) as caught, db.transaction():
        db.execute(statement.encode(), parameters)
    assert caught.value.sqlstate == "58000"
    return caught.value.diag


def test_each_direction_has_its_role(
    machine: Instance, instance: tuple[str, str], roles: dict[str, str], strict: StrictAws, db: psycopg.Connection[Any]
) -> None:
    machine.use(instance, **roles)
    assert db.execute(EXPORT.encode(), ["by-role"]).fetchone() == (1,)
    assert strict.client("s3").get_object(Bucket=BUCKET, Key="by-role")["Body"].read() == b"1\n"
    db.execute(IMPORT.encode(), ["by-role"])
    # The other way round neither may.
    machine.restore()
    machine.use(instance, import_role=roles["export_role"], export_role=roles["import_role"])
    assert "is not authorized to perform: s3:PutObject" in str(failure(db, EXPORT, ["by-role"]).message_detail)
    said = failure(db, IMPORT, ["by-role"])
    assert said.message_primary == "could not read from Amazon S3"
    assert "is not authorized to perform: s3:GetObject" in str(said.message_detail)


def test_a_roles_keys_are_kept_for_the_next_call(
    machine: Instance, rds: Rds, instance: tuple[str, str], roles: dict[str, str], db: psycopg.Connection[Any]
) -> None:
    machine.use(instance, **roles)
    db.execute(EXPORT.encode(), ["first"])
    (kept,) = rds.data.glob("s3pipe.d/role-*.json")
    made = kept.stat()
    assert made.st_mode & 0o777 == 0o600
    db.execute(EXPORT.encode(), ["second"])
    assert kept.stat().st_mtime_ns == made.st_mtime_ns


def test_no_role_and_no_right(
    machine: Instance, strict: StrictAws, instance: tuple[str, str], db: psycopg.Connection[Any]
) -> None:
    machine.use(instance)
    said = failure(db, EXPORT, ["k"])
    assert said.message_primary == "could not upload to Amazon S3"
    assert "is not authorized to perform: s3:PutObject" in str(said.message_detail)
    machine.use(("AKIAXXXXXXXXXXXXXXXX", "x"))
    assert "The AWS Access Key Id you provided does not exist in our records." in str(
        failure(db, IMPORT, ["there"]).message_detail
    )


@pytest.mark.parametrize("direction", ["export", "import"])
def test_a_role_that_cannot_be_assumed(
    machine: Instance, instance: tuple[str, str], db: psycopg.Connection[Any], direction: str
) -> None:
    machine.use(instance, **{f"{direction}_role": "arn:aws:iam::000000000000:role/none"})
    said = failure(db, EXPORT if direction == "export" else IMPORT, ["there"])
    assert said.message_primary == REFUSED
    feature = "s3Export" if direction == "export" else "s3Import"
    assert said.message_hint == (
        f'Has the IAM role Amazon Resource Name (ARN) been associated with the feature-name "{feature}"?'
    )
    assert "role/none" in str(said.message_detail)


def test_a_machine_without_keys(machine: Instance, db: psycopg.Connection[Any]) -> None:
    machine.use(None)
    said = failure(db, EXPORT, ["k"])
    assert (said.message_primary, said.message_detail) == (REFUSED, "profile strict has no keys")


@pytest.fixture(scope="module")
def reader(strict: StrictAws) -> tuple[str, str]:
    """The keys that calls give."""
    return strict.user("reader", "s3:GetObject", "sts:AssumeRole")


class TestKeysOfTheCall:
    def test_they_are_used_in_place_of_the_instances(
        self, machine: Instance, reader: tuple[str, str], db: psycopg.Connection[Any]
    ) -> None:
        machine.use(None)
        db.execute(WITH_KEYS.encode(), ["there", *reader, None])
        uri = f"aws_commons.create_s3_uri('{BUCKET}', 'there', '{REGION}')"
        call = f"aws_s3.table_import_from_s3('target', '', '', {uri}, aws_commons.create_aws_credentials(%s, %s, ''))"
        db.execute(f"SELECT {call}".encode(), reader)
        assert db.execute("SELECT * FROM target").fetchall() == [(1,), (1,)]

    def test_with_a_session_token(
        self,
        machine: Instance,
        strict: StrictAws,
        reader: tuple[str, str],
        roles: dict[str, str],
        db: psycopg.Connection[Any],
    ) -> None:
        machine.use(None)
        sts = strict.client("sts", *reader)
        keys = sts.assume_role(RoleArn=roles["import_role"], RoleSessionName="test")["Credentials"]
        given = [keys["AccessKeyId"], keys["SecretAccessKey"]]
        db.execute(WITH_KEYS.encode(), ["there", *given, keys["SessionToken"]])
        assert "does not exist in our records" in str(failure(db, WITH_KEYS, ["there", *given, None]).message_detail)

    def test_ones_that_are_wrong(self, machine: Instance, reader: tuple[str, str], db: psycopg.Connection[Any]) -> None:
        machine.use(None)
        said = failure(db, WITH_KEYS, ["there", reader[0], "wrong", None])
        assert "The request signature we calculated does not match" in str(said.message_detail)

    def test_they_are_told_to_nobody(
        self, machine: Instance, rds: Rds, strict: StrictAws, reader: tuple[str, str], db: psycopg.Connection[Any]
    ) -> None:
        """Not on a command line, in an environment, a message, the server's log, or a file that stays."""
        machine.use(None)
        strict.client("s3").put_object(Bucket=BUCKET, Key="long", Body=b"1\n" * 20_000_000)
        seen: list[bytes] = []
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                for process in rds.helpers():
                    for name in ("cmdline", "environ"):
                        try:
                            seen.append(Path(f"/proc/{process}/{name}").read_bytes())
                        except OSError:  # it has ended
                            continue

        watch = threading.Thread(target=look)
        watch.start()
        try:
            db.execute(WITH_KEYS.encode(), ["long", *reader, None])
        finally:
            done.set()
            watch.join()
        assert any(b"s3pipe\x00" in words or b"__main__" in words for words in seen)
        said = failure(db, WITH_KEYS, ["nowhere", *reader, None])
        said_all = "".join(str(getattr(said, name)) for name in dir(said) if not name.startswith("_"))
        with pytest.raises(errors.InvalidTextRepresentation) as caught, db.transaction():
            strict.client("s3").put_object(Bucket=BUCKET, Key="bad", Body=b"bad\n")
            db.execute(WITH_KEYS.encode(), ["bad", *reader, None])
        late = (
            "CREATE FUNCTION pg_temp.late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''late''; END'"
        )
        db.execute(late.encode())
        db.execute("CREATE TRIGGER late AFTER INSERT ON target EXECUTE FUNCTION pg_temp.late()")
        for table in ("target", "nowhere"):
            with pytest.raises(psycopg.Error), db.transaction():
                db.execute(WITH_KEYS.replace("target", table).encode(), ["there", *reader, None])
        with pytest.raises(errors.DivisionByZero), db.transaction():
            db.execute("SELECT 1 / 0 AS said_again")  # other statements are still in the log
        secret = reader[1]
        assert secret.encode() not in b"".join(seen)
        assert secret not in said_all + str(caught.value.diag.context)
        log = rds.log.read_text()
        assert all(f"ERROR:  {text}" in log for text in ("invalid input syntax", "late", 'relation "nowhere"'))
        assert "said_again" in log
        assert secret not in log
        assert [path for path in rds.data.glob("s3pipe.d/*") if secret in path.read_text()] == []
        assert rds.left_over() == []
