"""Serves EMR Serverless on EMR_SERVERLESS_PORT until it is told to end."""

from __future__ import annotations

import fcntl
import logging
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from velodrome.awsapi import profile as profiles
from velodrome.awsapi.app import Api, create_app
from velodrome.awsapi.model import Service
from velodrome.awsapi.sigv4 import Verifier
from velodrome.certificates import server_certificate, trust_bundle
from velodrome.settings import SettingError, Settings, load

from .api import EmrServerless
from .applications import Applications, NoWorkers
from .attempts import Surroundings
from .credentials import CredentialsEndpoint
from .database import Database
from .job_runs import JobRuns
from .machine import Machine
from .scheduler import Scheduler
from .session_proxy import SessionProxy
from .session_store import SessionStore
from .sessions import Sessions
from .store import Store
from .tags import Tags
from .trust import system_certificates

_SECONDS_TO_CLOSE = 5


class StartError(Exception):
    """The service cannot start; the message names the setting."""


def build(settings: Settings) -> Starlette:
    """The application, with what it keeps under VELODROME_HOME."""
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    service = Service("emr-serverless")
    account = settings["AWS_ACCOUNT_ID"]
    data = settings.home / "data" / "emr-serverless"
    database = Database(data / "state.sqlite")
    credentials = CredentialsEndpoint(settings.integer("EMR_SERVERLESS_PORT"))
    around = Surroundings(
        store=Store(database),
        profile=profile,
        credentials=credentials,
        spark_venv=settings.installs / "spark",
        jars=settings.installs / "jars",
        scratch=data / "scratch",
        logs=settings.home / "logs" / "emr-serverless",
        minute=settings.number("EMR_SERVERLESS_MINUTE"),
        log_interval=settings.number("EMR_SERVERLESS_LOG_INTERVAL"),
    )
    machine = Machine.here(refuses=settings.choice("EMR_SERVERLESS_OVERSIZED", ("scale", "refuse")) == "refuse")
    applications = Applications(around.store, profile.region, account, NoWorkers())
    scheduler = Scheduler(applications, machine, around)
    job_runs = JobRuns(applications, scheduler, machine, around)
    session_store = SessionStore(database)
    sessions = Sessions(
        session_store, applications, scheduler, machine, around, settings["EMR_SERVERLESS_SESSIONS_URL"]
    )
    proxy = _proxy(sessions, settings)
    tags = Tags(around.store, session_store, f"arn:aws:emr-serverless:{profile.region}:{account}:")
    verifier = None
    if profile.access_key_id and profile.secret_access_key:
        verifier = Verifier(profile.access_key_id, profile.secret_access_key, profile.region, service.signing_name)

    def start() -> None:
        applications.recover()
        job_runs.recover()
        sessions.recover()
        scheduler.start()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(start)
        await proxy.start()
        yield
        await run_in_threadpool(sessions.close)
        await proxy.stop()
        await run_in_threadpool(scheduler.close)
        database.close()

    api = Api(service, EmrServerless(applications, job_runs, sessions, tags, account), verifier)
    return create_app(api, database.answers, lifespan, [credentials.route])


def _proxy(sessions: Sessions, settings: Settings) -> SessionProxy:
    # AWS gives each session a host of its own; here one port serves all, and the token alone tells them apart.
    host = urlsplit(settings["EMR_SERVERLESS_SESSIONS_URL"]).hostname or "localhost"
    names = list(dict.fromkeys(("localhost", "127.0.0.1", "::1", "emr-serverless", host)))
    trust_bundle(settings.certificates, system_certificates())
    certificate = server_certificate(settings.certificates, names)
    return SessionProxy(
        sessions, settings["LISTEN_ADDRESS"], settings.integer("EMR_SERVERLESS_SESSIONS_PORT"), certificate
    )


def listen(host: str, port: int, setting: str) -> socket.socket:
    """The socket to serve on, bound before anything is touched that another copy may be using."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartError(f"EMR Serverless cannot listen on {host}:{port} ({setting}): {error}") from error
    return listener


def lock(data: Path) -> IO[str]:
    """Keep the data folder to this process, or refuse: recovery would end another copy's jobs."""
    data.mkdir(parents=True, exist_ok=True)
    file = (data / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StartError(f"another EMR Serverless is using {data} (VELODROME_HOME)") from None
    return file


def main() -> int:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        settings = load()
        app = build(settings)
        listener = listen(settings["LISTEN_ADDRESS"], settings.integer("EMR_SERVERLESS_PORT"), "EMR_SERVERLESS_PORT")
        # Only tried: gRPC binds it itself, later, where it could no longer be told so plainly.
        sessions_port = settings.integer("EMR_SERVERLESS_SESSIONS_PORT")
        listen(settings["LISTEN_ADDRESS"], sessions_port, "EMR_SERVERLESS_SESSIONS_PORT").close()
        locked = lock(settings.home / "data" / "emr-serverless")
    except (SettingError, profiles.ProfileError, StartError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    config = uvicorn.Config(app, log_level="info", access_log=False, timeout_graceful_shutdown=_SECONDS_TO_CLOSE)
    with listener, locked:
        uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
