"""EMR Serverless put together: its parts, its web application, and the order in which they start and end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

from velodrome.authorities import system_certificates
from velodrome.awsapi import profile as profiles
from velodrome.awsapi.app import Api, create_app
from velodrome.awsapi.keys import of_profile
from velodrome.awsapi.model import Service
from velodrome.awsapi.verifier import Verifier
from velodrome.certificates import server_certificate, trust_bundle
from velodrome.settings import Settings

from .api import EmrServerless
from .applications import Applications
from .credentials import CredentialsEndpoint
from .dashboards.dashboards import Dashboards
from .dashboards.event_logs import EventLogs
from .dashboards.history_server import HistoryServer
from .dashboards.resources import SESSION
from .dashboards.spark_ui import LiveUis, key_of, master_key
from .dashboards.tokens import DashboardTokens
from .database import Database
from .jobs.attempts import Surroundings
from .jobs.initial_capacity import InitialCapacity
from .jobs.job_runs import JobRuns
from .jobs.scheduler import Scheduler
from .jobs.warm_workers import WarmWorkers
from .release_installs import ReleaseInstalls
from .sessions.proxy import SessionProxy
from .sessions.sessions import Sessions
from .sessions.store import SessionStore
from .spark import releases
from .spark.machine import Machine
from .store import Store
from .tags import Tags


def data_folder(settings: Settings) -> Path:
    """Where the service's state lies."""
    return settings.home / "data" / "emr-serverless"


def build(settings: Settings) -> Starlette:
    """The application, with what it keeps under VELODROME_HOME."""
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    service = Service("emr-serverless")
    account = settings["AWS_ACCOUNT_ID"]
    data = data_folder(settings)
    database = Database(data / "state.sqlite")
    credentials = CredentialsEndpoint(settings.integer("EMR_SERVERLESS_PORT"))
    live = LiveUis(master_key(data / "dashboards.key"))
    around = Surroundings(
        store=Store(database, account, profile.region),
        profile=profile,
        credentials=credentials,
        installs=settings.installs_in_use,
        scratch=data / "scratch",
        logs=settings.home / "logs" / "emr-serverless",
        minute=settings.number("EMR_SERVERLESS_MINUTE"),
        log_interval=settings.number("EMR_SERVERLESS_LOG_INTERVAL"),
        event_logs=EventLogs(data / "eventlogs"),
        live=live,
        warm=WarmWorkers(data / "scratch", settings.home / "logs" / "emr-serverless"),
        executor_processes=settings.choice("EMR_SERVERLESS_EXECUTORS", ("inside", "processes")) == "processes",
    )
    machine = Machine.here(refuses=settings.choice("EMR_SERVERLESS_OVERSIZED", ("scale", "refuse")) == "refuse")
    capacity = InitialCapacity(around.warm, machine, around.installs)
    installer = ReleaseInstalls(around.installs)
    applications = Applications(around.store, around.installs, capacity, installer)
    scheduler = Scheduler(applications, machine, around)
    job_runs = JobRuns(applications, scheduler, machine, around)
    session_store = SessionStore(database)
    sessions = Sessions(
        session_store, applications, scheduler, machine, around, settings["EMR_SERVERLESS_SESSIONS_URL"]
    )
    proxy = _proxy(sessions, settings)
    tags = Tags(around.store, session_store)
    history = HistoryServer(
        data / "history-server",
        around.logs / "history-server.log",
        lambda: releases.DEFAULT.install(around.installs),
        key_of(live.master_key, "history-server"),
    )
    dashboards = Dashboards(
        settings["EMR_SERVERLESS_DASHBOARD_URL"],
        DashboardTokens(database),
        around.event_logs,
        history,
        live,
        lambda resource, *log: (sessions if resource.kind == SESSION else job_runs).log_file(resource, *log),
    )
    verifier = Verifier(of_profile(profile, account), service.signing_name)

    def start() -> None:
        job_runs.recover()  # first: it removes the folders of all that ran
        applications.recover()
        sessions.recover()
        history.recover()
        around.event_logs.sweep()
        scheduler.start()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(start)
        await proxy.start()
        yield
        await run_in_threadpool(sessions.close)
        await proxy.stop()
        await dashboards.close()
        installer.close()
        await run_in_threadpool(around.warm.close)
        await run_in_threadpool(scheduler.close)
        database.close()

    api = Api(service, EmrServerless(applications, job_runs, sessions, tags, dashboards), verifier)
    return create_app(api, database.answers, lifespan, [credentials.route, *dashboards.routes()])


def _proxy(sessions: Sessions, settings: Settings) -> SessionProxy:
    # AWS gives each session a host of its own; here one port serves all, and the token alone tells them apart.
    host = urlsplit(settings["EMR_SERVERLESS_SESSIONS_URL"]).hostname or "localhost"
    names = list(dict.fromkeys(("localhost", "127.0.0.1", "::1", "emr-serverless", host)))
    trust_bundle(settings.certificates, system_certificates())
    certificate = server_certificate(settings.certificates, names)
    return SessionProxy(
        sessions, settings["LISTEN_ADDRESS"], settings.integer("EMR_SERVERLESS_SESSIONS_PORT"), certificate
    )
