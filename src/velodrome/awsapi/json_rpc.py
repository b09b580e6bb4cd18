"""The JSON protocols (awsJson1_0 and 1_1): the operation from the header X-Amz-Target, members from a JSON body.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from __future__ import annotations

import json
from typing import Any

from botocore.model import StructureShape

from . import parse, serialize
from .errors import UnknownOperationException
from .http import Reply, Request, json_body
from .model import Service

TARGET = "x-amz-target"


class JsonRpc:
    """Requests and replies of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._headers = {"content-type": f"application/x-amz-json-{service.model.metadata['jsonVersion']}"}

    def parse(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The operation that the request names, and its parameters."""
        prefix, _, operation = request.headers.get(TARGET, "").rpartition(".")
        if prefix != self._service.model.metadata["targetPrefix"] or operation not in self._service.operations:
            raise UnknownOperationException("")
        shape = self._service.operation(operation).input_shape
        found = parse.json_value(shape, json_body(request)) if isinstance(shape, StructureShape) else {}
        return operation, found

    def reply(self, operation: str, result: dict[str, Any]) -> Reply:
        """The reply of an operation."""
        shape = self._service.operation(operation).output_shape
        content = serialize.json_value(shape, result) if isinstance(shape, StructureShape) else {}
        return Reply(200, self._headers, json.dumps(content).encode())

    def error(self, code: str, message: str, status: int) -> Reply:
        """The reply that is an error. Every client's error of this protocol is 400, whatever REST has."""
        status = status if status in (413, 501) or status >= 500 else 400
        return Reply(status, self._headers, json.dumps({"__type": code, "message": message}).encode())
