"""Puts aws_commons and aws_s3 into a PostgreSQL's own folders, for servers that look for extensions nowhere else.

    install(share_folder(binaries()), Path("~/.aws/config").expanduser(), "default")

PostgreSQL 18 and later can be told of further folders (extension_control_path); those before know their own only.
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-EXTENSION-CONTROL-PATH
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import subprocess
import sys
from pathlib import Path

from velodrome.postgres import PostgresError, share_folder
from velodrome.rds import launcher

OLDEST = 15
_SOURCE = Path(__file__).parent / "extension"


def extension_files() -> list[Path]:
    """The control and SQL files of both extensions."""
    return sorted(file for file in _SOURCE.iterdir() if file.suffix in (".control", ".sql"))


def extension_folder(sharedir: Path) -> Path:
    """Where a server has its extensions. Raises PostgresError where none has any."""
    folder = sharedir / "extension"
    if not folder.is_dir():
        raise PostgresError(f"there is no folder {folder}: name the pg_config of a server, not of a client alone")
    return folder


def install(
    sharedir: Path, config_file: Path, profile: str, *, import_role: str | None = None, export_role: str | None = None
) -> list[Path]:
    """Both extensions into `sharedir`/extension, the launcher of their helper into `sharedir`/aws_s3.

    Returns the files that were missing or other than ours; each is replaced in one step, so that a server that runs
    sees the old or the new one. Raises PostgresError.
    """
    folder, program = extension_folder(sharedir), sharedir / "aws_s3" / "s3pipe"
    script = launcher.text(config_file, profile, import_role=import_role, export_role=export_role)
    try:
        program.parent.mkdir(mode=0o755, exist_ok=True)
        if stat.S_IMODE(program.parent.stat().st_mode) != 0o755:
            program.parent.chmod(0o755)
        wanted = [(folder / file.name, file.read_bytes(), 0o644) for file in extension_files()]
        wanted.append((program, script.encode(), 0o755))
        return [target for target, content, mode in wanted if _put(target, content, mode)]
    except PermissionError as error:
        raise PostgresError(f"cannot write to {error.filename}: run as root (sudo), or as its owner") from error


def _put(target: Path, content: bytes, mode: int) -> bool:
    """Whether there was anything to do."""
    if target.is_file() and target.read_bytes() == content and stat.S_IMODE(target.stat().st_mode) == mode:
        return False
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.chmod(mode)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return True


def sharedir_of(pg_config: Path) -> Path:
    """The share folder of the PostgreSQL that this pg_config belongs to. Raises PostgresError, also for an old one."""
    try:
        answers = [
            subprocess.run([pg_config, option], capture_output=True, text=True, check=True).stdout.strip()
            for option in ("--version", "--sharedir")
        ]
        version = int(answers[0].removeprefix("PostgreSQL ").split()[0].split(".")[0])
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise PostgresError(f"{pg_config} does not answer as PostgreSQL's pg_config does: {error}") from error
    if version < OLDEST:
        raise PostgresError(f"{answers[0]} is too old: aws_s3 is for PostgreSQL {OLDEST} and later")
    return Path(answers[1])


def require(programs: Path, config_file: Path, profile: str) -> None:
    """Both extensions, as they are here, in the folder of the server of these programs. Raises PostgresError that says
    by which command they get there."""
    sharedir = share_folder(programs)
    folder = sharedir / "extension"
    other = [file.name for file in extension_files() if not _same(file, folder / file.name)]
    if other:
        pg_config = programs / "pg_config"
        where = ["--pg-config", str(pg_config)] if pg_config.exists() else ["--sharedir", str(sharedir)]
        command = [str(_velodrome()), "rds", "install-extension", *where]
        command += ["--config-file", str(config_file.absolute()), "--profile", profile]
        if not os.access(folder, os.W_OK):
            command.insert(0, "sudo")
        raise PostgresError(
            f"{folder} lacks {', '.join(other)}, or has another version (before PostgreSQL 18 a server finds "
            f"extensions only there): run\n{shlex.join(command)}"
        )


def _same(ours: Path, theirs: Path) -> bool:
    return theirs.is_file() and theirs.read_bytes() == ours.read_bytes()


def _velodrome() -> Path:
    """The command as it is installed beside this interpreter; root's PATH may not have it."""
    beside = Path(sys.executable).with_name("velodrome")
    return beside if beside.exists() else Path("velodrome")


# -- can the server reach what the launcher names? --------------------------------------------------------------------


def user_of(sharedir: Path, name: str | None = None) -> pwd.struct_passwd:
    """Whom the server runs as: `name`, else the owner of its files, else, since it refuses root, `postgres`."""
    try:
        if name is not None:
            return pwd.getpwnam(name)
        owner = pwd.getpwuid(extension_folder(sharedir).stat().st_uid)
    except KeyError as error:
        raise PostgresError(f"there is no such user: {error}; name the server's with --server-user") from error
    if owner.pw_uid == 0:
        try:
            return pwd.getpwnam("postgres")
        except KeyError:
            return owner
    return owner


def unreachable(user: pwd.struct_passwd, config_file: Path) -> list[str]:
    """What of the launcher's this user cannot reach, each with the fix; as far as permission bits tell."""
    found = []
    python = Path(sys.executable)
    for path in dict.fromkeys((python, python.resolve(), Path(__file__).parent / "s3pipe")):
        if step := _obstacle(user, path, 0o5):
            mend = f"chmod {'o+rx' if step == path else 'o+x'} {shlex.quote(str(step))}"
            found.append(f"{user.pw_name} cannot reach {path}: {mend}, or have Velodrome where {user.pw_name} can")
    config = config_file.absolute()
    try:
        there = config.exists()
    except PermissionError:  # we cannot see it ourselves
        return found
    if not there:
        found.append(f"there is no {config} yet: every export and import reads it")
    elif _obstacle(user, config, 0o4):
        own = Path(user.pw_dir) / ".aws" / "config"
        copy = shlex.join(["sudo", "install", "-D", "-o", user.pw_name, "-m", "600", str(config), str(own)])
        found.append(f"{user.pw_name} cannot read {config}: {copy}, then again with --config-file {own}")
    return found


def _obstacle(user: pwd.struct_passwd, path: Path, right: int) -> Path | None:
    """The first folder or file on the way that this user has no right to. Folders that we cannot see do not count."""
    if user.pw_uid == 0:
        return None
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    for step in (*reversed(path.parents), path):
        try:
            state = step.stat()
        except OSError:
            return None
        shift = 6 if state.st_uid == user.pw_uid else 3 if state.st_gid in groups else 0
        needed = right if step == path else 0o1
        if state.st_mode >> shift & needed != needed:
            return step
    return None
