"""`python -m velodrome.rds`: makes the source database if it is not there, applies the settings, becomes the server."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from velodrome.postgres import PostgresError, Server, binaries, ensure_database, major_version
from velodrome.rds import install_extension, launcher
from velodrome.settings import Settings, load

# What RDS grants to rds_superuser, as far as this server has it.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html
_RDS_SUPERUSER = ("pg_monitor", "pg_signal_backend", "pg_checkpoint", "pg_use_reserved_connections", "pg_maintain")

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.Authentication.html
_SUPERUSER = "rdsadmin"


def server_of(settings: Settings, *, listen: str, programs: Path | None = None) -> Server:
    """The source database's server, of these programs or those that are found. Raises PostgresError."""
    programs = programs or binaries()
    parameters: dict[str, str] = {}
    if major_version(programs) >= 18:  # its extensions are found in this package, and nowhere else before
        folder = Path(__file__).parent
        if ":" in str(folder):
            raise PostgresError(f"{folder} has a colon, at which PostgreSQL splits a list of folders")
        parameters["extension_control_path"] = f"{folder}:$system"
    else:
        install_extension.require(programs, settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    return Server(
        settings.path("VELODROME_HOME") / "data" / "source",
        port=settings.integer("SOURCE_PORT"),
        superuser=_SUPERUSER,
        password=None,
        listen=listen,
        parameters=parameters,
        binaries=programs,
    )


def write_launcher(server: Server, settings: Settings) -> None:
    """`./s3pipe` in the data folder, where COPY … PROGRAM runs: no path in SQL, nothing there that SQL could change."""
    owner = server.data.stat()
    shutil.rmtree(server.data / "s3pipe.d", ignore_errors=True)  # what processes of an earlier start have left
    draft = server.data / "s3pipe.new"
    config, profile = settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"]
    roles = {"import_role": settings["RDS_IMPORT_ROLE_ARN"], "export_role": settings["RDS_EXPORT_ROLE_ARN"]}
    draft.write_text(launcher.text(config, profile, **roles), encoding="utf-8")
    draft.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(draft, owner.st_uid, owner.st_gid)
    draft.replace(server.data / "s3pipe")


def ensure_rds_superuser(server: Server, user: str) -> None:
    """RDS's administrator: no superuser, but may make databases and roles, and is a member of rds_superuser."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = 'rds_superuser'").fetchone() is None:
            connection.execute("CREATE ROLE rds_superuser")
        for role in _RDS_SUPERUSER:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None:
                connection.execute(sql.SQL("GRANT {} TO rds_superuser").format(sql.Identifier(role)))
        name = sql.Identifier(user)
        connection.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER CREATEDB CREATEROLE").format(name))
        connection.execute(sql.SQL("GRANT rds_superuser TO {}").format(name))


def main() -> None:
    """Whatever is interrupted here is done again at the next start: every step looks at what is there."""
    settings = load()
    user = settings["SOURCE_USER"]
    try:
        if user in (_SUPERUSER, "rds_superuser"):
            raise PostgresError(f"SOURCE_USER {user} is a name of RDS's own: choose another")
        server = server_of(settings, listen=settings["LISTEN_ADDRESS"])
        server.initialize()
        write_launcher(server, settings)
        # Nobody can connect before the settings are applied.
        private = server_of(settings, listen="")
        private.start()
        try:
            ensure_database(private, settings["SOURCE_DATABASE"], user, settings["SOURCE_PASSWORD"])
            ensure_rds_superuser(private, user)
        finally:
            private.stop()
        server.execute()
    except PostgresError as error:
        sys.exit(f"velodrome.rds: {error}")


if __name__ == "__main__":
    main()
