"""One connection to an AWS service: signed requests, their retries, and errors in the service's own words."""

from __future__ import annotations

import http.client
import time

from velodrome.rds.s3pipe.sigv4 import UNSIGNED, Keys, query_string, sign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 120.0
# Three attempts. https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_PAUSES = (0.1, 0.4)
_TRANSIENT = frozenset({500, 502, 503, 504})


class AwsError(Exception):
    """The service's message; `code` is its error code, `status` is None when it was not reached."""

    def __init__(self, message: str, code: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Endpoint:
    """Where a service listens. `path` is what its own URL begins with."""

    def __init__(self, host: str, port: int | None = None, *, tls: bool = True, path: str = "") -> None:
        self.host, self.port, self.tls, self.path = host, port, tls, path

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Of an `endpoint_url`.

        >>> vars(Endpoint.parse("http://127.0.0.1:4566"))
        {'host': '127.0.0.1', 'port': 4566, 'tls': False, 'path': ''}
        """
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AwsError(f"Invalid endpoint: {url}")
        return cls(parts.hostname, parts.port, tls=parts.scheme == "https", path=parts.path.rstrip("/"))

    @classmethod
    def of_aws(cls, service: str, region: str) -> Endpoint:
        """https://docs.aws.amazon.com/general/latest/gr/rande.html"""
        return cls(f"{service}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}")

    @property
    def authority(self) -> str:
        """What the header Host says: the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (None, 443 if self.tls else 80) else f"{host}:{self.port}"


class Answer:
    """Of a request that succeeded."""

    def __init__(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.response, self.body = response, body

    def header(self, name: str) -> str:
        return self.response.getheader(name) or ""


class Connection:
    """Kept open between requests; made anew where it broke. One thread at a time."""

    def __init__(self, endpoint: Endpoint, keys: Keys, region: str, service: str) -> None:
        self._endpoint, self._keys, self._region, self._service = endpoint, keys, region, service
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | memoryview = b"",
        *,
        whole: bool = True,
    ) -> Answer:
        """Send it and read the answer (its head only, unless `whole`). Raises AwsError."""
        attempt = 0
        while True:
            try:
                return self._once(method, path, query or {}, headers or {}, body, whole)
            except AwsError as error:
                if attempt == len(_PAUSES) or (error.status is not None and error.status not in _TRANSIENT):
                    raise
            time.sleep(_PAUSES[attempt])
            attempt += 1

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | memoryview,
        whole: bool,
    ) -> Answer:
        path = self._endpoint.path + path
        sent = {"host": self._endpoint.authority, **headers}
        if self._service == "s3":
            body_hash = UNSIGNED
        else:
            from hashlib import sha256

            body_hash = sha256(body).hexdigest()
        sign(self._keys, self._region, self._service, method, path, query, sent, body_hash)
        url = f"{path}?{query_string(query)}" if query else path
        try:
            connection = self._open()
            connection.putrequest(method, url, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.putheader("content-length", str(len(body)))
            connection.endheaders()
            if body:
                connection.send(body)
            response = connection.getresponse()
            content = response.read() if whole or response.status >= 300 else b""
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise AwsError("Timeout was reached") from error
            raise AwsError("Unable to connect to endpoint") from error
        if response.status >= 300:
            raise _error(response.status, content.decode(errors="replace"))
        return Answer(response, content)

    def _open(self) -> http.client.HTTPConnection:
        if self._connection is None:
            to = self._endpoint
            if to.tls:
                made: http.client.HTTPConnection = http.client.HTTPSConnection(
                    to.host, to.port, timeout=_CONNECT_SECONDS
                )
            else:
                made = http.client.HTTPConnection(to.host, to.port, timeout=_CONNECT_SECONDS)
            made.connect()
            made.sock.settimeout(_ANSWER_SECONDS)
            self._connection = made
        return self._connection


def _error(status: int, body: str) -> AwsError:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; an answer to HEAD has no body."""
    code = text_of(body, "Code") or {403: "AccessDenied", 404: "NotFound"}.get(status, str(status))
    message = text_of(body, "Message") or http.client.responses.get(status, f"HTTP {status}")
    return AwsError(message, code, status)


def text_of(xml: str, name: str) -> str:
    """The text of the first element of this name; empty without one. AWS's answers are flat enough.

    >>> text_of("<Error><Code>NoSuchKey</Code><Message>No &lt;b&gt;</Message></Error>", "Message")
    'No <b>'
    """
    start, end = xml.find(f"<{name}>"), xml.find(f"</{name}>")
    if not 0 <= start < end:
        return ""
    text = xml[start + len(name) + 2 : end]
    if "&" in text:
        from html import unescape

        return unescape(text)
    return text
