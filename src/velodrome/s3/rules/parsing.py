"""Requests that LocalStack's parser takes apart otherwise than S3: keys of slashes, no numbers, no XML, no method.

Whatever a client sends is answered with one of S3's own errors, never with 500.
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from localstack.aws import handlers
from localstack.aws.api import ServiceException
from localstack.aws.handlers import service as service_handlers
from localstack.aws.protocol import parser
from localstack.aws.spec import load_service
from localstack.http.request import get_raw_path

from velodrome.s3.rules.errors import error, invalid_argument, malformed_xml

# Dates of conditional reads that are none are passed over, as HTTP has it.
_PASSED_OVER = frozenset({"IfModifiedSince", "IfUnmodifiedSince"})
_PART_NUMBER = "Part number must be an integer between 1 and 10000, inclusive"
_MESSAGES = {"partNumber": _PART_NUMBER}
_BAD_INPUT = (parser.RequestParserError, ValueError, TypeError, AttributeError, LookupError, OverflowError)


class _Router:
    """LocalStack's router, for which a key of nothing but slashes would be none; the key is what the path says."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def match(self, request: Any) -> tuple[Any, Any]:
        """The operation, and the path's parameters."""
        path = get_raw_path(request)
        bucket, _, key = path.removeprefix("/").partition("/")
        environ = request.environ
        raw = environ.get("RAW_URI", "")
        if key and not key.strip("/"):
            environ["RAW_URI"] = f"/{bucket}/slashes"
        try:
            operation, found = self._inner.match(request)
        finally:
            environ["RAW_URI"] = raw
        if "Key" in found:
            found = dict(found) | {"Key": _text(key)}
        return operation, found


def _text(quoted: str) -> str:
    try:
        return unquote_to_bytes(quoted).decode("utf-8")
    except UnicodeDecodeError as bad:
        raise error("InvalidURI", "Couldn't parse the specified URI.") from bad


class Parser(parser.S3RequestParser):
    """S3's parser with S3's errors."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._operation_router: Any = _Router(self._operation_router)

    def parse(self, request: Any) -> tuple[Any, Any]:
        """The operation and its members; raises ServiceException."""
        try:
            return super().parse(request)
        except parser.OperationNotFoundParserError as unknown:
            message = "The specified method is not allowed against this resource."
            kind = "OBJECT" if "/" in request.path.strip("/") else "BUCKET"
            refused = error("MethodNotAllowed", message, 405, Method=request.method, ResourceType=kind)
            raise refused from unknown
        except parser.RequestParserError as bad:
            raise _reason(bad) or malformed_xml() from bad

    def _parse_shape(self, request: Any, shape: Any, node: Any, uri_params: Any = None) -> Any:
        if isinstance(node, list) and shape is not None and shape.type_name != "list" and _location(shape) is None:
            raise malformed_xml()  # an element twice
        try:
            return super()._parse_shape(request, shape, node, uri_params)
        except _BAD_INPUT as bad:
            if reason := _reason(bad):
                raise reason from bad
            if (name := _argument(shape)) is None:
                raise malformed_xml() from bad
            if shape.name in _PASSED_OVER:
                return None
            message = _MESSAGES.get(name) or _message(shape, name)
            given = request.args.get(name) if _location(shape) == "querystring" else request.headers.get(name)
            raise invalid_argument(message, name, given) from bad

    def _initial_body_parse(self, request: Any) -> Any:
        try:
            return super()._initial_body_parse(request)
        except _BAD_INPUT as bad:
            raise malformed_xml() from bad


def _location(shape: Any) -> str | None:
    return shape.serialization.get("location") if shape is not None else None


def _argument(shape: Any) -> str | None:
    return shape.serialization.get("name") if _location(shape) in ("querystring", "header", "headers", "uri") else None


def _message(shape: Any, name: str) -> str:
    if shape.type_name in ("integer", "long"):
        return f"Provided {name} not an integer or within integer range"
    return f"Invalid value of {name}"


def _reason(raised: BaseException | None) -> ServiceException | None:
    """The error of S3's that LocalStack has wrapped into one of its parser's."""
    while raised is not None:
        if isinstance(raised, ServiceException):
            return raised
        raised = raised.__cause__
    return None


def _serializable(chain: Any, exception: Exception, context: Any, response: Any) -> None:
    """An error from before the operation is known is written as one of any operation's."""
    if context.service is not None and context.operation is None and isinstance(exception, ServiceException):
        context.operation = context.service.operation_model(context.service.operation_names[0])


def install() -> None:
    """Let LocalStack use them; before it has made a parser of its own."""
    parser.S3RequestParser = Parser
    handlers.serve_custom_exception_handlers.append(_serializable)
    known = service_handlers.determine_aws_service_model

    def determine(request: Any) -> Any:
        # Nothing else is served that could be meant: a request that names no service is S3's, however it is signed.
        return known(request) or load_service("s3")

    service_handlers.determine_aws_service_model = determine
