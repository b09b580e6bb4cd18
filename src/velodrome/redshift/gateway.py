"""Runs the warehouse: the server inside, the port outside, and the end of both."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor

from velodrome.authorities import system_certificates
from velodrome.awsapi import profile
from velodrome.awsapi.profile import ProfileError
from velodrome.certificates import server_certificate, trust_bundle
from velodrome.postgres import PostgresError
from velodrome.redshift import auto_refresh, wire
from velodrome.redshift import server as inside
from velodrome.redshift.apis import server as apis
from velodrome.redshift.authentication import Roles
from velodrome.redshift.history import History
from velodrome.redshift.session import Place, Session
from velodrome.settings import Settings, load

log = logging.getLogger("velodrome.redshift")

_WATCH_SECONDS = 0.5


class StartError(RuntimeError):
    """The warehouse cannot start; the message names the setting to change."""


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    runner: type[asyncio.Runner] = asyncio.Runner
    try:
        with runner(loop_factory=_loop_factory()) as running:
            status = running.run(serve(load()))
    except (StartError, PostgresError, ProfileError) as error:
        sys.exit(f"velodrome.redshift: {error}")
    sys.exit(status)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    factory: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return factory


async def serve(settings: Settings) -> int:
    """Until SIGTERM or SIGINT (status 0), or until the server inside dies (1: the supervisor starts us again)."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    host, port = settings["LISTEN_ADDRESS"], settings.integer("REDSHIFT_PORT")
    running: inside.Inside | None = None
    pool = ThreadPoolExecutor(4, thread_name_prefix="copy")
    place: Place | None = None
    refreshing: asyncio.Task[None] | None = None

    def session() -> Session:
        if place is None:
            raise RuntimeError("a client came before the server was ready")
        return Session(place)

    try:
        # Taken before anything is started, served only when all is ready.
        listener = await loop.create_server(session, host, port, start_serving=False, reuse_address=True)
    except OSError as error:
        raise StartError(
            f"{host}:{port} cannot be used ({error.strerror}): change REDSHIFT_PORT, or stop what uses it"
        ) from None
    api: apis.ApiServer | None = None
    api_port = settings.integer("REDSHIFT_API_PORT")
    try:
        api_listener = apis.listen(host, api_port)
    except OSError as error:
        listener.close()
        raise StartError(
            f"{host}:{api_port} cannot be used ({error.strerror}): change REDSHIFT_API_PORT, or stop what uses it"
        ) from None
    try:
        running = await asyncio.to_thread(_started, settings)
        api = apis.ApiServer(await asyncio.to_thread(apis.build, settings, running), api_listener)
        roles = Roles(running.conninfo("postgres"))
        history = History(running.data)
        history.start()
        place = Place(inside.socket_path(running), profile.load, pool, roles, tls(settings), history)
        await listener.start_serving()
        refreshing = asyncio.create_task(auto_refresh.run(running.conninfo))
        log.info("Redshift is ready on %s:%d, database %s", host, port, settings["REDSHIFT_DATABASE"])
        status = await _until_end(running, stopping)
    finally:
        listener.close()
        if refreshing is not None:
            refreshing.cancel()
        for open_session in list(place.sessions) if place else ():
            text = "terminating connection due to administrator command"
            open_session.end(wire.error("57P01", text, severity="FATAL"))
        if api is not None:
            await api.stop()
        api_listener.close()
        pool.shutdown(wait=False, cancel_futures=True)
        if place is not None:
            await place.roles.close()
            await asyncio.to_thread(place.history.close)
        if running is not None:
            await asyncio.to_thread(running.stop)
    return status


def tls(settings: Settings) -> ssl.SSLContext:
    """The certificate of this copy's own authority, for the names by which clients reach the warehouse."""
    names = dict.fromkeys(["redshift", settings["REDSHIFT_HOST"], "localhost", "127.0.0.1", "::1"])
    certificate = server_certificate(settings.certificates, list(names))
    trust_bundle(settings.certificates, system_certificates())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


def _started(settings: Settings) -> inside.Inside:
    running = inside.server(settings)
    running.start()
    try:
        inside.prepare(running, settings)
    except BaseException:
        running.stop()
        raise
    return running


async def _until_end(running: inside.Inside, stopping: asyncio.Event) -> int:
    while not stopping.is_set():
        if not running.alive:
            log.error("the server inside has ended; its messages are above")
            return 1
        try:
            await asyncio.wait_for(stopping.wait(), _WATCH_SECONDS)
        except TimeoutError:
            continue
    log.info("stopping")
    return 0
