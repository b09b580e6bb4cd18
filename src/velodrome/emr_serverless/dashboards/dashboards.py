"""Dashboards: the address with a token that AWS's operations return, and the pages behind it.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_GetDashboardForJobRun.html
While an attempt runs, its pages are the live Spark UI's; afterwards the history server's. Both lie below the same
address, so that a page which is open when the job ends goes on.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..spark.jvm import MissingInstall
from .event_logs import EventLogs
from .history_server import HistoryServer, HistoryServerError
from .proxy import Proxy, Upstream
from .resources import DASHBOARDS, JOB_RUN, SESSION, Resource
from .spark_ui import PORTS_TRIED, LiveUis
from .tokens import DashboardTokens, Grant

log = logging.getLogger(__name__)
_TOKEN = "authToken"  # noqa: S105  # the parameter's name, as in AWS's addresses
_COOKIE = "velodrome-dashboard"
_LOGS = "logs"
# What ends a job or a stage: /jobs/job/kill/?id=1, /stages/stage/kill/?id=1
_KILL = re.compile(r"/kill(/|$)")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,"></head>
<body style="font: 16px sans-serif; max-width: 45em; margin: 4em auto"><h1>{title}</h1><p>{text}</p></body></html>
"""
_AGAIN = (
    "Call GetDashboardForJobRun (for a session: GetResourceDashboard) again to get a new one; it is good for one hour."
)


class Dashboards:
    """Makes the addresses, and answers them."""

    def __init__(
        self,
        base_url: str,
        tokens: DashboardTokens,
        event_logs: EventLogs,
        history: HistoryServer,
        live: LiveUis,
        log_file: Callable[[Resource, str, str], Path | None],
    ) -> None:
        """`base_url` is where browsers reach the service. `log_file` finds a log by worker ("SPARK_DRIVER") and
        name ("stdout")."""
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._event_logs = event_logs
        self._history = history
        self._live = live
        self._log_file = log_file
        self._proxy = Proxy()
        # Ports that were found to be the resource's own UI: the one it was told to take, and the one it took.
        self._found: dict[Resource, tuple[int, int]] = {}

    def url(self, resource: Resource) -> str:
        """An address of the resource's dashboard that is good for one hour."""
        return f"{self._base_url}{resource.prefix}/?{urlencode({_TOKEN: self._tokens.make(resource)})}"

    def routes(self) -> list[BaseRoute]:
        """What the service answers beside its API."""
        methods = ["GET", "POST"]
        below = DASHBOARDS + "/{application}/{kind}/{id}/{attempt:int}"
        return [
            Route(below, self._add_slash),
            Route(below + "/{path:path}", self._answer, methods=methods),
            # Airflow makes the address of a log from a dashboard's: it exchanges the path and keeps the token
            # (airflow.providers.amazon.aws.links.emr.EmrServerlessLogsLink).
            Route("/logs/{worker}/{name}", self._log_of_token),
        ]

    async def close(self) -> None:
        """Close the connections to UIs, and end the history server."""
        await self._proxy.close()
        await run_in_threadpool(self._history.close)

    async def _add_slash(self, request: Request) -> Response:
        query = request.scope["query_string"].decode("latin-1")
        return RedirectResponse(f"{_raw_path(request)}/{'?' if query else ''}{query}", HTTPStatus.TEMPORARY_REDIRECT)

    async def _log_of_token(self, request: Request) -> Response:
        grant = await self._grant(request.query_params.get(_TOKEN))
        if grant is None:
            return _refused()
        return self._log(grant.resource, request.path_params["worker"], request.path_params["name"])

    async def _answer(self, request: Request) -> Response:
        resource = _resource(request)
        if resource is None:
            return _page("No such dashboard", "There is no dashboard at this address.", HTTPStatus.NOT_FOUND)
        token = request.query_params.get(_TOKEN)
        grant = await self._grant(token if token is not None else request.cookies.get(_COOKIE))
        if grant is None or grant.resource != resource:
            return _refused()
        if token is not None:
            return _enter(request, resource, token, grant)
        path = _raw_path(request).removeprefix(resource.prefix)
        if path.startswith(f"/{_LOGS}/"):
            worker, _, name = path.removeprefix(f"/{_LOGS}/").partition("/")
            return self._log(resource, worker, name)
        port = self._live.port(resource)
        if port is not None:
            return await self._show_live(request, resource, path, port)
        self._found.pop(resource, None)
        return await self._show_history(request, resource, path)

    async def _show_live(self, request: Request, resource: Resource, path: str, port: int) -> Response:
        upstream = await self._upstream(resource, port)
        if upstream is None:
            response = _page(
                "No Spark UI yet",
                "The job runs and has not made its Spark session yet. This page looks again by itself.",
                HTTPStatus.SERVICE_UNAVAILABLE,
            )
            response.headers["refresh"] = "2"
            return response
        # An address of the history server's, such as one from before a restart of the job's service.
        if path.startswith(f"/history/{resource.spark_id}/"):
            return _redirect(request, resource, path.removeprefix(f"/history/{resource.spark_id}"))
        if _KILL.search(path):
            if not _from_own_page(request):
                return _page("Not allowed", "A job is ended from its own pages alone.", HTTPStatus.FORBIDDEN)
        elif request.method == "POST":
            return _page("Not allowed", "Spark's UI takes nothing here.", HTTPStatus.METHOD_NOT_ALLOWED)
        return await self._forward(request, upstream, resource, path)

    async def _show_history(self, request: Request, resource: Resource, path: str) -> Response:
        if request.method == "POST" or _KILL.search(path):
            return _page("Not allowed", "The application has ended.", HTTPStatus.METHOD_NOT_ALLOWED)
        event_log = await run_in_threadpool(self._event_logs.log, resource)
        application = await run_in_threadpool(self._event_logs.application_id, resource)
        if event_log is None or application is None:
            text = "It made no Spark session, or its event log has been removed: those of more than 30 days are."
            return _page("No Spark UI", text, HTTPStatus.NOT_FOUND)
        own = (f"/history/{application}/", f"/api/v1/applications/{application}/", "/static/")
        if not path.startswith(own) and path not in (f"/api/v1/applications/{application}", "/api/v1/version"):
            if path.startswith(("/api/", "/history/")):
                text = f"A dashboard has one application: {application}."
                return _page("Not here", text, HTTPStatus.NOT_FOUND)
            # The same page as while it ran. The list of all applications is nobody's: a token opens one.
            return _redirect(request, resource, f"/history/{application}{path if path != '/' else '/jobs/'}")
        try:
            port = await run_in_threadpool(self._history.show, application, event_log)
        except (HistoryServerError, MissingInstall, OSError) as error:
            log.warning("%s: %s", resource.prefix, error)
            return _page("No history server", str(error), HTTPStatus.BAD_GATEWAY)
        return await self._forward(request, Upstream(port, self._history.key), resource, path)

    async def _forward(self, request: Request, upstream: Upstream, resource: Resource, path: str) -> Response:
        try:
            return await self._proxy.forward(request, upstream, resource.prefix, path)
        except httpx.TransportError as error:
            # The application ends in this moment, or its JVM is too busy to answer.
            response = _page("No answer", f"Spark's UI did not answer: {error}", HTTPStatus.BAD_GATEWAY)
            response.headers["refresh"] = "2"
            return response

    async def _upstream(self, resource: Resource, port: int) -> Upstream | None:
        """The resource's live UI, once it is known to be its own: whoever took the port meanwhile gets no request."""
        key = self._live.key(resource)
        told, taken = self._found.get(resource, (0, 0))
        if told == port:
            return Upstream(taken, key)
        for number in range(port, port + PORTS_TRIED + 1):
            upstream = Upstream(number, key)
            if await self._proxy.answers_as(upstream, resource.spark_id):
                self._found[resource] = (port, number)
                return upstream
        return None

    def _log(self, resource: Resource, worker: str, name: str) -> Response:
        file = self._log_file(resource, worker, name.removesuffix(".gz"))
        if file is None or not file.is_file():
            return _page("No such log", f"There is no log {worker}/{name}.", HTTPStatus.NOT_FOUND)
        return FileResponse(file, media_type="text/plain; charset=utf-8", headers={"cache-control": "no-store"})

    async def _grant(self, token: str | None) -> Grant | None:
        return await run_in_threadpool(self._tokens.grant, token) if token else None


def _resource(request: Request) -> Resource | None:
    kind, parts = request.path_params["kind"], request.path_params
    if kind not in (JOB_RUN, SESSION):
        return None
    resource = Resource(parts["application"], kind, parts["id"], parts["attempt"])
    # Another spelling of the same address (%2F, 01) is none.
    return resource if _raw_path(request).startswith(f"{resource.prefix}/") else None


def _raw_path(request: Request) -> str:
    return str(request.scope["raw_path"].decode("latin-1"))


def _from_own_page(request: Request) -> bool:
    """Whether a page of the same host made the browser send this. Spark's own link to end a stage is a GET, which a
    link on any page could repeat, cookie included (SameSite=Lax): https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("referer", "")).netloc == request.headers.get("host")


def _enter(request: Request, resource: Resource, token: str, grant: Grant) -> Response:
    """Exchange the token in the address for a cookie: it stays out of links, history and the next page's referrer."""
    path = _raw_path(request).removeprefix(resource.prefix)
    others = [(name, value) for name, value in request.query_params.multi_items() if name != _TOKEN]
    response = RedirectResponse(
        f"{resource.prefix}{path}{'?' if others else ''}{urlencode(others)}", HTTPStatus.SEE_OTHER
    )
    response.set_cookie(
        _COOKIE,
        token,
        max_age=int(grant.seconds),
        path=f"{resource.prefix}/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


def _redirect(request: Request, resource: Resource, path: str) -> Response:
    query = request.scope["query_string"].decode("latin-1")
    target = f"{resource.prefix}{quote(urlsplit(path).path, safe='/%')}{'?' if query else ''}{query}"
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)


def _refused() -> Response:
    return _page("This address has expired", f"It has no token that is still good. {_AGAIN}", HTTPStatus.FORBIDDEN)


def _page(title: str, text: str, status: HTTPStatus) -> Response:
    content = _PAGE.format(title=html.escape(title), text=html.escape(text))
    return HTMLResponse(content, status, {"cache-control": "no-store"})
