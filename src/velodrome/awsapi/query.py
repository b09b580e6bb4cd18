"""The query protocol: the operation and its members from a form, the reply as XML.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import ListShape, Shape, StructureShape

from . import parse, serialize
from .errors import NotImplementedException, UnknownOperationException
from .http import Reply, Request
from .model import Service

# What the errors that all services have are called here:
# https://docs.aws.amazon.com/redshift/latest/APIReference/CommonErrors.html
_COMMON = {
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "UnknownOperationException": "InvalidAction",
    "SerializationException": "MalformedInput",
    "ValidationException": "ValidationError",
    "ExpiredTokenException": "ExpiredToken",
    "InternalServerException": "InternalFailure",
}


class Query:
    """Requests and replies of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._namespace = service.model.metadata["xmlNamespace"]

    def parse(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The operation that the request names, and its parameters."""
        text = request.body.decode("utf-8", "replace") if request.method == "POST" else request.query
        form = dict(parse_qsl(text, keep_blank_values=True))
        operation = form.get("Action", "")
        if operation not in self._service.operations:
            raise UnknownOperationException(f"Could not find operation {operation} for version {form.get('Version')}")
        shape = self._service.operation(operation).input_shape
        found = _read(shape, form, "") if isinstance(shape, StructureShape) else {}
        return operation, found or {}

    def reply(self, operation: str, result: dict[str, Any]) -> Reply:
        """The reply of an operation."""
        shape = self._service.operation(operation).output_shape
        content = ""
        if isinstance(shape, StructureShape):
            content = _write(shape.serialization.get("resultWrapper", f"{operation}Result"), shape, result)
        request_id = str(uuid.uuid4())
        metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        return self._xml(200, f"{operation}Response", content + metadata, request_id)

    def error(self, code: str, message: str, status: int) -> Reply:
        """The reply that is an error: its code is the model's, which is not always the shape's name."""
        known = self._service.model.shape_for(code).metadata if code in self._service.model.shape_names else {}
        # Common ones first: STS has an ExpiredTokenException of its own, about web identities.
        shown = _COMMON.get(code) or known.get("error", {}).get("code", code)
        side = "Receiver" if status >= 500 else "Sender"
        request_id = str(uuid.uuid4())
        error = f"<Error><Type>{side}</Type><Code>{escape(shown)}</Code><Message>{escape(message)}</Message></Error>"
        return self._xml(status, "ErrorResponse", f"{error}<RequestId>{request_id}</RequestId>", request_id)

    def _xml(self, status: int, root: str, content: str, request_id: str) -> Reply:
        text = f'<{root} xmlns="{escape(self._namespace)}">{content}</{root}>'
        return Reply(status, {"content-type": "text/xml", "x-amzn-requestid": request_id}, text.encode())


def _read(shape: Shape, form: Mapping[str, str], prefix: str) -> Any:
    """The value whose fields begin with `prefix`; None where there are none."""
    if isinstance(shape, StructureShape):
        start = f"{prefix}." if prefix else ""
        pairs = ((name, member.serialization.get("name", name), member) for name, member in shape.members.items())
        found = {name: _read(member, form, start + wire) for name, wire, member in pairs}
        return {name: value for name, value in found.items() if value is not None} or None
    if isinstance(shape, ListShape):
        item = "" if shape.serialization.get("flattened") else "." + shape.member.serialization.get("name", "member")
        values: list[Any] = []
        while (value := _read(shape.member, form, f"{prefix}{item}.{len(values) + 1}")) is not None:
            values.append(value)
        return values or None
    if shape.type_name == "map":
        raise NotImplementedException(f"{prefix}: a map")
    return parse.text_value(shape, form[prefix], prefix) if prefix in form else None


def _write(tag: str, shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        unknown = value.keys() - shape.members.keys()
        if unknown:
            raise ValueError(f"{shape.name} has no {', '.join(sorted(unknown))}")
        parts = (
            _write(member.serialization.get("name", name), member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        )
        return f"<{tag}>{''.join(parts)}</{tag}>"
    if isinstance(shape, ListShape):
        if shape.serialization.get("flattened"):
            return "".join(_write(tag, shape.member, item) for item in value)
        item_tag = shape.member.serialization.get("name", "member")
        return f"<{tag}>{''.join(_write(item_tag, shape.member, item) for item in value)}</{tag}>"
    return f"<{tag}>{escape(serialize.text_value(shape, value, 'iso8601'))}</{tag}>"
