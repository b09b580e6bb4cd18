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
from .applications import Applications
from .database import Database
from .job_runs import Folders, JobRuns
from .jvm import SparkInstall
from .spark_submit import Machine
from .store import Store
from .support import RELEASE
from .warm_jvm import WorkerSpec
from .warm_workers import WarmWorkers

_SECONDS_TO_CLOSE = 5


class StartError(Exception):
    """The service cannot start; the message names the setting."""


def build(settings: Settings) -> Starlette:
    """The application, with what it keeps under VELODROME_HOME."""
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    service = Service("emr-serverless")
    account = settings["AWS_ACCOUNT_ID"]
    data = settings.home / "data" / "emr-serverless"
    folders = Folders(
        spark_venv=settings.installs / "spark",
        jars=settings.installs / "jars",
        scratch=data / "scratch",
        logs=settings.home / "logs" / "emr-serverless",
    )
    database = Database(data / "state.sqlite")
    store = Store(database)
    warm = WarmWorkers(folders.scratch, folders.logs)
    machine = Machine.here()

    def spec(heap_bytes: int) -> WorkerSpec:
        spark = SparkInstall(folders.spark_venv, folders.jars)
        return WorkerSpec(spark, min(heap_bytes, machine.memory // 2), machine.cores)

    applications = Applications(store, profile.region, account, warm, spec)
    job_runs = JobRuns(store, applications, profile, folders, warm)
    verifier = None
    if profile.access_key_id and profile.secret_access_key:
        verifier = Verifier(profile.access_key_id, profile.secret_access_key, profile.region, service.signing_name)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(job_runs.recover)  # first: it removes the folders of all that was
        await run_in_threadpool(applications.recover)
        yield
        await run_in_threadpool(warm.close)
        await run_in_threadpool(job_runs.close)
        database.close()

    api = Api(service, EmrServerless(applications, job_runs, account, RELEASE), verifier)
    return create_app(api, database.answers, lifespan)


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on, bound before anything is touched that another copy may be using."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. asyncio sets it only on sockets made with IPPROTO_TCP; without it, each reply waits 40 ms
    # for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
    logging.getLogger("botocore").setLevel(logging.WARNING)
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
