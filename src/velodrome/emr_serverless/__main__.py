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

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from velodrome.awsapi import profile as profiles
from velodrome.awsapi.app import Api, create_app
from velodrome.awsapi.model import Service
from velodrome.awsapi.sigv4 import Verifier
from velodrome.settings import SettingError, Settings, load

from .api import EmrServerless
from .applications import Applications, NoWorkers
from .attempts import Surroundings
from .credentials import CredentialsEndpoint
from .dashboard_tokens import DashboardTokens
from .dashboards import Dashboards
from .database import Database
from .event_logs import EventLogs
from .history_server import HistoryServer
from .job_runs import JobRuns
from .jvm import SparkInstall
from .machine import Machine
from .scheduler import Scheduler
from .spark_ui import LiveUis, key_of, master_key
from .store import Store
from .tags import Tags

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
    live = LiveUis(master_key(data / "dashboards.key"))
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
        event_logs=EventLogs(data / "eventlogs"),
        live=live,
    )
    machine = Machine.here(refuses=settings.choice("EMR_SERVERLESS_OVERSIZED", ("scale", "refuse")) == "refuse")
    applications = Applications(around.store, profile.region, account, NoWorkers())
    scheduler = Scheduler(applications, machine, around)
    job_runs = JobRuns(applications, scheduler, machine, around)
    tags = Tags(around.store, f"arn:aws:emr-serverless:{profile.region}:{account}:")
    history = HistoryServer(
        data / "history-server",
        around.logs / "history-server.log",
        lambda: SparkInstall(around.spark_venv, around.jars),
        key_of(live.master_key, "history-server"),
    )
    dashboards = Dashboards(
        settings["EMR_SERVERLESS_DASHBOARD_URL"],
        DashboardTokens(database),
        around.event_logs,
        history,
        live,
        job_runs.log_file,
    )
    verifier = None
    if profile.access_key_id and profile.secret_access_key:
        verifier = Verifier(profile.access_key_id, profile.secret_access_key, profile.region, service.signing_name)

    def start() -> None:
        applications.recover()
        job_runs.recover()
        history.recover()
        around.event_logs.sweep()
        scheduler.start()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(start)
        yield
        await dashboards.close()
        await run_in_threadpool(scheduler.close)
        database.close()

    api = Api(service, EmrServerless(applications, job_runs, tags, dashboards, account), verifier)
    return create_app(api, database.answers, lifespan, [credentials.route, *dashboards.routes()])


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on, bound before anything is touched that another copy may be using."""
    # The protocol is named: asyncio turns off Nagle's algorithm, 40 ms a reply, only where it sees TCP's number.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartError(f"EMR Serverless cannot listen on {host}:{port} (EMR_SERVERLESS_PORT): {error}") from error
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
    for name in ("botocore", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        settings = load()
        app = build(settings)
        listener = listen(settings["LISTEN_ADDRESS"], settings.integer("EMR_SERVERLESS_PORT"))
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
