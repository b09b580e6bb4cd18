"""Runs the warehouse: the server inside, the port outside, and the end of both."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager

from velodrome.authorities import system_certificates
from velodrome.awsapi import profile
from velodrome.awsapi.profile import ProfileError
from velodrome.certificates import server_certificate, trust_bundle
from velodrome.postgres import PostgresError
from velodrome.redshift import auto_refresh, dynamic, wire
from velodrome.redshift import server as inside
from velodrome.redshift.apis import server as apis
from velodrome.redshift.authentication import Roles
from velodrome.redshift.history import History
from velodrome.redshift.login import MOST_ARRIVING
from velodrome.redshift.origins import Origins
from velodrome.redshift.place import Place
from velodrome.redshift.session import Session
from velodrome.redshift.sql import long_names
from velodrome.settings import Settings, load

log = logging.getLogger("velodrome.redshift")

_WATCH_SECONDS = 0.5
# For what is under way when the warehouse is stopped; the runtime kills it after 20.
_DRAIN_SECONDS = 5.0


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
    _allow_descriptors()
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as ending:  # in the opposite order
        # Ports are taken before anything is started, and served only when all is ready.
        places: list[Place] = []
        host, port = settings["LISTEN_ADDRESS"], settings.integer("REDSHIFT_PORT")
        with _port_in_use("REDSHIFT_PORT", host, port):
            listener = await loop.create_server(
                lambda: Session(places[0]), host, port, start_serving=False, reuse_address=True
            )
        ending.callback(listener.close)
        with _port_in_use("REDSHIFT_API_PORT", host, settings.integer("REDSHIFT_API_PORT")):
            api_listener = apis.listen(host, settings.integer("REDSHIFT_API_PORT"))
        ending.callback(api_listener.close)
        running = await asyncio.to_thread(_started, settings)
        ending.push_async_callback(asyncio.to_thread, running.stop)
        api = apis.ApiServer(await asyncio.to_thread(apis.build, settings, running), api_listener)
        ending.push_async_callback(api.stop)
        place = _place(settings, running, ending)
        await ending.enter_async_context(dynamic.answering(running.socket_dir))
        places.append(place)
        ending.push_async_callback(_drain, place)
        ending.callback(asyncio.create_task(auto_refresh.run(running.conninfo)).cancel)
        await listener.start_serving()
        log.info("Redshift is ready on %s:%d, database %s", host, port, settings["REDSHIFT_DATABASE"])
        status = await _until_end(running, stopping)
        listener.close()
    return status


def _allow_descriptors() -> None:
    """Two for each session, and one for who arrives: more than the 1,024 that are usual."""
    import resource

    wanted = 4 * (inside.CONNECTION_LIMIT + MOST_ARRIVING)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextmanager
def _port_in_use(setting: str, host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"{host}:{port} cannot be used ({error.strerror}): change {setting}, or stop what uses it"
        raise StartError(text) from None


def _place(settings: Settings, running: inside.Inside, ending: AsyncExitStack) -> Place:
    pool = ThreadPoolExecutor(4, thread_name_prefix="copy")
    ending.callback(pool.shutdown, wait=False, cancel_futures=True)
    roles = Roles(running.conninfo("postgres"))
    ending.push_async_callback(roles.close)
    long_names.NAMES.open(running.data / "velodrome.names")
    history = History(running.data)
    history.start()
    ending.push_async_callback(asyncio.to_thread, history.close)
    origins = Origins(running.conninfo)
    return Place(inside.socket_path(running), profile.load, pool, roles, tls(settings), history, origins)


async def _drain(place: Place) -> None:
    """Whoever is idle goes at once; what is under way gets a few seconds to end."""
    told = wire.error("57P01", "terminating connection due to administrator command", severity="FATAL")
    for arriving in list(place.arriving):
        arriving.end(told)
    for session in list(place.sessions):
        session.leave(told)
    deadline = asyncio.get_running_loop().time() + _DRAIN_SECONDS
    while place.sessions and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
    for session in list(place.sessions):
        session.end(told)


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
