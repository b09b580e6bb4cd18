"""The application before the engine's: lets in whoever signs with a known key, and what is public; answers all others.

A web page can send requests here too, but it cannot sign any. So what is not signed must name this machine as its host
(a page whose own name was turned to this address does not), and changes nothing but in a bucket whose owner has given
everybody just that. A bucket's own CORS rules say which pages may read an answer, and let nobody in.
"""

from __future__ import annotations

import datetime
import io
import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl

from velodrome.awsapi import absent
from velodrome.awsapi.errors import AwsError
from velodrome.awsapi.http import Reply, Request
from velodrome.awsapi.keys import Key, Keys
from velodrome.awsapi.model import Service
from velodrome.awsapi.query import Query
from velodrome.awsapi.sigv4 import UNSIGNED, Signature
from velodrome.awsapi.verifier import Verifier

from . import cors, forms, payload, signatures, sigv2
from .environ import Environ, read_request, write_request
from .errors import S3Error, access_denied, request_id

HEALTH_PATH = "/_velodrome/health"
KEY = "velodrome.key"  # of the environ: the Key that signed, or None
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
# What IAM and STS take; a policy document has 128 KB at most.
_LARGEST_FORM = 2**20


class Engine(Protocol):
    """What the front asks of the engine."""

    def own_path(self, path: str) -> bool:
        """Whether the path is one of the engine's own, beside S3's."""

    def health_path(self, path: str) -> bool:
        """Whether it is the engine's own health check, which anybody here may read."""

    def check_unsigned(self, request: Request, form: Mapping[str, str] | None) -> None:
        """Raises S3Error unless everybody may have what an unsigned request asks for; `form` is an upload's fields."""

    def cors_rules(self, request: Request) -> Sequence[cors.Rule] | None:
        """Those of the bucket that a request names; None if there is no such bucket."""


class Front:
    """Answers what is not to reach the engine's application; gives the rest to it."""

    def __init__(self, application: Application, engine: Engine, keys: Keys, hosts: Sequence[str]) -> None:
        self._application, self._engine, self._keys = application, engine, keys
        self._hosts = frozenset(host.lower() for host in hosts)
        self._forms = {name: (Verifier(keys, name), Query(Service(name))) for name in ("iam", "sts")}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As PEP 3333 says."""
        try:
            answer = self._answer(environ, read_request(environ), start_response)
        except S3Error as error:
            id = request_id()
            headers = {"content-type": "application/xml", "x-amz-request-id": id, **error.headers}
            answer = Reply(error.status, headers, error.body(id))
        return _send(answer, start_response) if isinstance(answer, Reply) else answer

    def _answer(
        self, environ: Environ, request: Request, start_response: Callable[..., Any]
    ) -> Reply | Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == HEALTH_PATH or self._engine.health_path(path):
            self._check_host(request)
            if request.method not in ("GET", "HEAD"):
                raise access_denied()
            if path == HEALTH_PATH:
                return Reply(200, {"content-type": "application/json"}, json.dumps({"status": "ok"}).encode())
            return self._pass(environ, request, None, start_response)
        if self._engine.own_path(path):
            raise access_denied()
        service = _service(request)
        if service == "s3":
            return self._s3(environ, request, start_response)
        request = replace(request, body=_read_form(environ))
        if service not in self._forms:
            return absent.answer(service, request)
        verifier, protocol = self._forms[service]
        try:
            signer = verifier.signer(request)
        except AwsError as error:
            return protocol.error(error.code, error.message, getattr(error, "status", 400))
        environ["wsgi.input"] = io.BufferedReader(io.BytesIO(request.body))
        return self._pass(environ, request, signer, start_response)

    def _s3(self, environ: Environ, request: Request, start_response: Callable[..., Any]) -> Reply | Iterable[bytes]:
        rules = self._engine.cors_rules(request)
        if request.method == "OPTIONS":
            self._check_host(request)
            return cors.preflight(rules, request)
        readable = cors.allowed(rules, request)
        try:
            return self._let_in(environ, request, cors.adding(start_response, readable))
        except S3Error as refused:
            refused.headers = readable
            raise

    def _let_in(self, environ: Environ, request: Request, start_response: Callable[..., Any]) -> Iterable[bytes]:
        now = datetime.datetime.now(datetime.UTC)
        content_type = request.headers.get("content-type", "")
        signer = self._signer(request, now)
        stream = environ["wsgi.input"]
        fields: dict[str, str] | None = None
        if signer is None and forms.is_form(request.method, content_type):
            fields, head = forms.read_fields(stream, content_type)
            environ["wsgi.input"] = io.BufferedReader(forms.Rejoined(head, stream))
            signer = forms.signed_by(fields, self._keys, now)
        elif signer is not None:
            content = request.headers.get(signatures.CONTENT, UNSIGNED)
            check = payload.check_of(content, signer[1], signer[0])
            if check is not None:
                body = payload.CheckedBody(stream, _length(request), check)
                environ["wsgi.input"] = io.BufferedReader(body, 64 * 1024)
                answer = self._pass(environ, request, signer, start_response)
                if body.refusal is not None:
                    if hasattr(answer, "close"):
                        answer.close()
                    raise body.refusal
                return answer
        if signer is None:
            self._check_host(request)
            self._engine.check_unsigned(request, fields)
        return self._pass(environ, request, signer, start_response)

    def _signer(self, request: Request, now: datetime.datetime) -> tuple[Key, Signature] | None:
        """Who has signed, by header or query; None if nobody has. Raises S3Error."""
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        by_url = not query.keys().isdisjoint(("AWSAccessKeyId", "Signature"))
        header = request.headers.get("authorization", "")
        if sigv2.is_header(header) and not by_url and not signatures.is_presigned(query):
            return sigv2.by_header(request, header, self._keys, now)
        signer = signatures.signed_by(request, self._keys, now)
        return sigv2.signed_by(request, query, self._keys, now) if signer is None and by_url else signer

    def _pass(
        self,
        environ: Environ,
        request: Request,
        signer: tuple[Key, Signature] | None,
        start_response: Callable[..., Any],
    ) -> Iterable[bytes]:
        key, signature = signer or (None, None)
        write_request(environ, cors.without_origin(request), signature)
        environ[KEY] = key
        return self._application(environ, start_response)

    def _check_host(self, request: Request) -> None:
        host = request.headers.get("host", "").rpartition("@")[2]
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        try:
            ipaddress.ip_address(name)
        except ValueError:
            # Exactly: what an engine takes for a bucket's name in front of it is not looked at for unsigned requests.
            if name.lower() not in self._hosts:
                raise access_denied(f"Access Denied: '{name}' is not this machine's name") from None


def _service(request: Request) -> str:
    """The service that a request is meant for, by its signature's scope or, unsigned, by its form."""
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    header = request.headers.get("authorization", "")
    credential = query.get("X-Amz-Credential", "")
    if header.startswith("AWS4-"):
        credential = header.partition("Credential=")[2].partition(",")[0]
    scope = credential.rsplit("/", 4)
    service = scope[3] if len(scope) == 5 else ""
    if not service or service.startswith("s3express") or service == "s3-outposts":
        form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        action = query.get("Action")
        if request.raw_path == "/" and (action or (request.method == "POST" and form)):
            return "sts"
        if target := request.headers.get(absent.TARGET):
            return target.partition(".")[0]
        return "s3"
    # Its requests are signed for S3, too.
    return "s3control" if service == "s3" and "x-amz-account-id" in request.headers else service


def _length(request: Request) -> int | None:
    if "transfer-encoding" in request.headers:
        return None
    return int(request.headers.get("content-length") or 0)


def _read_form(environ: Environ) -> bytes:
    body = bytes(environ["wsgi.input"].read(_LARGEST_FORM + 1))
    if len(body) > _LARGEST_FORM:
        raise S3Error(413, "RequestEntityTooLarge", f"the body is larger than {_LARGEST_FORM} bytes")
    return body


def _send(reply: Reply, start_response: Callable[..., Any]) -> Iterable[bytes]:
    headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", headers)
    return [reply.body]
