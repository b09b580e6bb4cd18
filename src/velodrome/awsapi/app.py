"""The web application of one service: checks the signature, reads the request, calls the handler, writes the reply."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.model import StructureShape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as WebRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, request_response
from starlette.types import Lifespan

from . import parse
from .caller import Caller
from .errors import (
    AwsError,
    CommonError,
    NotImplementedException,
    RequestEntityTooLargeException,
    RequestTimeoutException,
    SerializationException,
    ServiceError,
)
from .http import Reply, Request, WireProtocol
from .json_rpc import TARGET, JsonRpc
from .model import Service, handler_name
from .query import Query
from .rest_json import RestJson
from .verifier import Authenticator

# Who calls and where, and the operation's parameters.
Handler = Callable[[Caller, Mapping[str, Any]], dict[str, Any]]
PROTOCOLS: dict[str, Callable[[Service], WireProtocol]] = {"rest-json": RestJson, "json": JsonRpc, "query": Query}
HEALTH_PATH = "/_velodrome/health"
_LARGEST_BODY = 10 * 2**20
_STALLED = 20  # seconds without a byte of a body
# Connections at once that a stand-in's server takes (uvicorn's limit_concurrency).
CONNECTIONS = 512
log = logging.getLogger(__name__)


class Api:
    """Dispatches requests to the methods of `handlers` that are named as boto3 names the operations; each is told who
    calls, in which region and account."""

    def __init__(self, service: Service, handlers: object, verifier: Authenticator) -> None:
        self._service = service
        self._handlers = handlers
        self._verifier = verifier
        self._protocol = PROTOCOLS[service.protocol](service)

    def answer(self, request: Request) -> Reply:
        """The reply to a request, whatever happens."""
        try:
            caller = self._verifier.verify(request)
            operation, parameters = self._parse(request)
            handler: Handler | None = getattr(self._handlers, handler_name(operation), None)
            if handler is None:
                raise NotImplementedException(f"{operation} of {self._service.name} is not available in Velodrome")
            return self._protocol.reply(operation, handler(caller, parameters))
        except AwsError as error:
            return self._protocol.error(error.code, error.message, self._status(error))
        except Exception:  # the boundary: the client gets AWS's error, the log gets what happened
            log.exception("%s %s failed", request.method, request.raw_path)
            return self._protocol.error("InternalServerException", "Internal error; see the service's log", 500)

    def _parse(self, request: Request) -> tuple[str, dict[str, Any]]:
        try:
            operation, parameters = self._protocol.parse(request)
            if hasattr(self._handlers, handler_name(operation)):
                self._validate(operation, parameters)
        except RecursionError:
            raise SerializationException("the body is nested too deeply") from None
        return operation, parameters

    def _validate(self, operation: str, parameters: dict[str, Any]) -> None:
        shape = self._service.operation(operation).input_shape
        if isinstance(shape, StructureShape) and (found := list(parse.violations(shape, parameters))):
            raise ValidationException(parse.validation_message(found))

    def _status(self, error: AwsError) -> int:
        if isinstance(error, ValidationException) and error.code not in self._service.model.shape_names:
            return 400  # where all services of a protocol have it, no model lists it
        return error.status if isinstance(error, CommonError) else self._service.error_status(error.code)


class Apis:
    """Several services behind one port: those of the JSON protocol by the target that their requests name (up to its
    last dot), `other` for requests that name none."""

    def __init__(self, by_target: Mapping[str, Api], other: Api) -> None:
        self._by_target = by_target
        self._other = other

    def answer(self, request: Request) -> Reply:
        """The reply of the service that is meant."""
        return self._by_target.get(request.headers.get(TARGET, "").rpartition(".")[0], self._other).answer(request)


class ValidationException(ServiceError):
    """The input breaks a constraint of the service's model."""


def create_app(
    api: Api | Apis,
    healthy: Callable[[], bool],
    lifespan: Lifespan[Starlette] | None = None,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """The ASGI application: the health check and the service's own `routes` first, the API on every other path."""

    async def health(_: WebRequest) -> Response:
        ready = await run_in_threadpool(healthy)
        return JSONResponse({"status": "ok" if ready else "unhealthy"}, 200 if ready else 503)

    async def call(request: WebRequest) -> Response:
        try:
            body = await _read_body(request)
        except (RequestEntityTooLargeException, RequestTimeoutException) as error:
            return JSONResponse({"message": error.message}, error.status, {"x-amzn-errortype": error.code})
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it; without an answer the web server logs a traceback
        sent = Request(
            method=request.method,
            raw_path=request.scope["raw_path"].decode("latin-1"),
            query=request.scope["query_string"].decode("latin-1"),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        reply = await run_in_threadpool(api.answer, sent)
        return Response(reply.body, reply.status, {"x-amzn-requestid": str(uuid.uuid4()), **reply.headers})

    app = Starlette(routes=[Route(HEALTH_PATH, health), *routes], lifespan=lifespan)
    # Not a route, which takes listed methods only: a method of any name gets AWS's error, not the web server's.
    app.router.default = request_response(call)
    app.router.redirect_slashes = False
    return app


async def _read_body(request: WebRequest) -> bytes:
    body = bytearray()
    parts = request.stream()
    while True:
        try:
            async with asyncio.timeout(_STALLED):
                part = await anext(parts)
        except StopAsyncIteration:
            return bytes(body)
        except TimeoutError:
            raise RequestTimeoutException(f"nothing of the request's body arrived for {_STALLED} seconds") from None
        body += part
        if len(body) > _LARGEST_BODY:
            raise RequestEntityTooLargeException(f"the body is larger than {_LARGEST_BODY} bytes")
