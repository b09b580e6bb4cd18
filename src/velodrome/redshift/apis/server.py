"""Serves the warehouse's APIs on their port, inside the gateway's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import socket
from collections.abc import Iterator

import psycopg
import uvicorn
from starlette.applications import Starlette

from velodrome.awsapi import profile as profiles
from velodrome.awsapi.app import CONNECTIONS, Api, Apis, create_app
from velodrome.awsapi.keys import of_profile
from velodrome.awsapi.model import Service
from velodrome.awsapi.verifier import Verifier
from velodrome.postgres import Server
from velodrome.settings import Settings

from .clusters import Redshift
from .serverless import RedshiftServerless
from .users import TemporaryUsers
from .warehouse import Warehouse

log = logging.getLogger("velodrome.redshift")
_SECONDS_TO_CLOSE = 2


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on. Raises OSError."""
    # The protocol is named: asyncio turns off Nagle's algorithm, 40 ms a reply, only where it sees TCP's number.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def build(settings: Settings, running: Server) -> Starlette:
    """The application."""
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    created = datetime.datetime.fromtimestamp((running.data / "PG_VERSION").stat().st_mtime, datetime.UTC)
    keys = of_profile(profile, settings["AWS_ACCOUNT_ID"])
    warehouse = Warehouse.of(settings, created)
    users = TemporaryUsers(lambda: psycopg.connect(running.conninfo("postgres")))
    serverless, redshift = Service("redshift-serverless"), Service("redshift")

    def api(service: Service, handlers: object) -> Api:
        return Api(service, handlers, Verifier(keys, service.signing_name))

    apis = Apis(
        {"RedshiftServerless": api(serverless, RedshiftServerless(warehouse, users))},
        api(redshift, Redshift(warehouse, users)),
    )
    return create_app(apis, lambda: True)


class _Uvicorn(uvicorn.Server):
    """Signals are the gateway's own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ApiServer:
    """The APIs while they are served."""

    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=_SECONDS_TO_CLOSE,
        )
        self._server = _Uvicorn(config)
        self._task = asyncio.get_running_loop().create_task(self._server.serve([listener]))

    async def stop(self) -> None:
        """Serve no more; what is being answered has a moment to end."""
        self._server.should_exit = True
        await self._task
