"""Passes a browser's requests on to a Spark UI on the loopback interface, and what it answers back.

Spark makes its links right for a path in front when the header X-Forwarded-Context names it
(org.apache.spark.ui.UIUtils.uiRoot); what is left are redirects, which are set right here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from .spark_ui import bearer

# The dashboard's cookie and the browser's address are none of Spark's business.
_PASSED_ON = (
    "accept",
    "accept-encoding",
    "accept-language",
    "content-type",
    "if-modified-since",
    "if-none-match",
    "range",
    "user-agent",
    "x-requested-with",
)
# Headers of one connection: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "server", "date", "set-cookie"}
_CONNECT_SECONDS = 5.0
# A large event log takes long to be read; a page that never comes must still end.
_READ_SECONDS = 120.0
_LARGEST_BODY = 64 * 2**10


@dataclass(frozen=True)
class Upstream:
    """A Spark UI: its port, and the key that it asks for."""

    port: int
    key: bytes

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"


class Proxy:
    """One client for all UIs. Raises httpx.TransportError when the UI does not answer."""

    def __init__(self) -> None:
        # No proxy of the user's environment: the UIs are on this machine.
        timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
        self._client = httpx.AsyncClient(trust_env=False, timeout=timeout, follow_redirects=False)

    async def forward(self, request: Request, upstream: Upstream, prefix: str, path: str) -> Response:
        """The UI's answer to a request for `path` (still encoded, beginning with a slash), which the browser knows as
        `prefix` and that path."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST_BODY:
                return Response("The request is too large\n", 413, media_type="text/plain")
        headers = {name: value for name in _PASSED_ON if (value := request.headers.get(name)) is not None}
        headers |= {"authorization": bearer(upstream.key), "x-forwarded-context": prefix}
        query = request.scope["query_string"].decode("latin-1")
        url = f"{upstream.url}{path}{'?' if query else ''}{query}"
        sent = self._client.build_request(request.method, url, headers=headers, content=body)
        answer = await self._client.send(sent, stream=True)
        response = StreamingResponse(answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose))
        response.raw_headers = _headers(answer.headers.raw, upstream, prefix)
        return response

    async def answers_as(self, upstream: Upstream, application: str) -> bool:
        """Whether the UI there is this application's."""
        try:
            answer = await self._client.get(
                f"{upstream.url}/api/v1/applications", headers={"authorization": bearer(upstream.key)}
            )
            return answer.status_code == httpx.codes.OK and [one["id"] for one in answer.json()] == [application]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):  # nobody is there, or somebody else
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _headers(received: Iterable[tuple[bytes, bytes]], upstream: Upstream, prefix: str) -> list[tuple[bytes, bytes]]:
    headers = []
    for name, value in received:
        lower = name.decode("latin-1").lower()
        if lower == "location":
            value = location(value.decode("latin-1"), upstream, prefix).encode("latin-1")
        if lower not in _HOP:
            headers.append((lower.encode("latin-1"), value))
    return headers


def location(target: str, upstream: Upstream, prefix: str) -> str:
    """A redirect's target as the browser knows it: without the UI's own host, with the prefix unless Spark put it.

    >>> location("http://127.0.0.1:4040/jobs/?id=1", Upstream(4040, b""), "/d/a")
    '/d/a/jobs/?id=1'
    """
    parts = urlsplit(target)
    if parts.netloc and parts.netloc not in (f"127.0.0.1:{upstream.port}", f"localhost:{upstream.port}"):
        return target
    inside = parts.path == prefix or parts.path.startswith(f"{prefix}/") or not parts.path.startswith("/")
    return urlunsplit(("", "", parts.path if inside else prefix + parts.path, parts.query, parts.fragment))
