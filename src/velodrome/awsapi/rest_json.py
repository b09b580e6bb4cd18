"""The REST-JSON protocol: the operation from method and path, members from path, query, headers and a JSON body.

https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from botocore.model import ListShape, MapShape, Shape, StructureShape

from . import parse, serialize
from .errors import NotImplementedException, UnknownOperationException
from .http import Reply, Request, json_body
from .model import Service

_CONTENT_TYPE = "application/json"


class RestJson:
    """Requests and replies of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def parse(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The operation that the request names, and its parameters."""
        found = self._service.match(request.method, request.raw_path)
        if found is None:
            raise UnknownOperationException(f"{request.method} {request.raw_path} is no operation")
        operation, labels = found
        shape = self._service.operation(operation).input_shape
        if not isinstance(shape, StructureShape):
            return operation, {}
        payload = shape.serialization.get("payload")
        if payload and shape.members[payload].type_name not in ("structure", "string", "blob"):
            raise NotImplementedException(f"{operation}: a body of type {shape.members[payload].type_name}")
        query = parse_qs(request.query, keep_blank_values=True)
        body = json_body(request) if payload is None or isinstance(shape.members[payload], StructureShape) else None
        parameters: dict[str, Any] = {}
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            wire = member.serialization.get("name", name)
            if location == "uri":
                value = parse.text_value(member, labels[wire], name)
            elif location == "querystring":
                value = _query_value(member, query, wire, name)
            elif location == "header":
                header = request.headers.get(wire.lower())
                value = None if header is None else parse.text_value(member, header, name, "rfc822")
            elif location == "headers":
                raise NotImplementedException(f"{operation}: {name} comes in headers of any name")
            elif name == payload:
                value = request.body if body is None else parse.json_value(member, body, name)
                value = value.decode() if member.type_name == "string" else value
            elif payload is None:
                value = parse.json_value(member, (body or {}).get(wire), name)
            else:
                value = None
            if value is not None:
                parameters[name] = value
        return operation, parameters

    def reply(self, operation: str, result: dict[str, Any]) -> Reply:
        """The reply of an operation."""
        model = self._service.operation(operation)
        status = int(model.http.get("responseCode", 200))
        shape = model.output_shape
        headers = {"content-type": _CONTENT_TYPE}
        if not isinstance(shape, StructureShape):
            return Reply(status, headers, b"")
        body = dict(result)
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            if location and name in body:
                value = body.pop(name)
                if location == "statusCode":
                    status = int(value)
                else:
                    headers[member.serialization.get("name", name)] = serialize.text_value(member, value)
        payload = shape.serialization.get("payload")
        content: Any = serialize.json_value(shape, body)
        if payload:
            if shape.members[payload].type_name == "blob":
                return Reply(status, headers, body.get(payload, b""))
            content = content.get(shape.members[payload].serialization.get("name", payload))
        return Reply(status, headers, json.dumps(content).encode())

    def error(self, code: str, message: str, status: int) -> Reply:
        """The reply that is an error."""
        headers = {"content-type": _CONTENT_TYPE, "x-amzn-errortype": code}
        return Reply(status, headers, json.dumps({"message": message}).encode())


def _query_value(member: Shape, query: dict[str, list[str]], wire: str, name: str) -> Any:
    if isinstance(member, MapShape):
        return {key: values[0] for key, values in query.items()}
    if wire not in query:
        return None
    if isinstance(member, ListShape):
        return [parse.text_value(member.member, value, name) for value in query[wire]]
    return parse.text_value(member, query[wire][0], name)
