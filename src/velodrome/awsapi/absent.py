"""The answer of a service of AWS that Velodrome does not have: its name, in the form that its clients read."""

from __future__ import annotations

import json
import uuid
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from .http import Reply, Request

CODE = "NotImplemented"
STATUS = 501  # which botocore does not try again, unlike 500, 502, 503 and 504
# All other services without a target or an Action speak rest-json; a test compares with botocore's models.
REST_XML = frozenset({"cloudfront", "route53", "s3", "s3control"})
TARGET = "x-amz-target"


def answer(service: str, request: Request) -> Reply:
    """The error reply to a request that is signed for `service` (its signing name)."""
    content_type = request.headers.get("content-type", "")
    target = request.headers.get(TARGET, "")
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        operation = request.raw_path.rpartition("/")[2]
        body = b"\xa2" + b"".join(map(_cbor, ("__type", CODE, "message", _message(service, operation))))
        return Reply(STATUS, {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, body)
    if target:
        said = json.dumps({"__type": CODE, "message": _message(service, target.rpartition(".")[2])})
        return Reply(STATUS, {"content-type": content_type or "application/x-amz-json-1.1"}, said.encode())
    form = request.body.decode("utf-8", "replace") if request.method == "POST" else request.query
    if actions := parse_qs(form[:65536]).get("Action"):
        return _xml(service, actions[0])
    operation = f"{request.method} {request.raw_path}"
    if service in REST_XML:
        return _xml(service, operation)
    said = json.dumps({"message": _message(service, operation)})
    return Reply(STATUS, {"content-type": "application/json", "x-amzn-errortype": CODE}, said.encode())


def _message(service: str, operation: str) -> str:
    return f"Velodrome has no {service}: {operation} is not available on this machine"


def _xml(service: str, operation: str) -> Reply:
    id = str(uuid.uuid4())
    message = escape(_message(service, operation))
    if service == "ec2":
        text = f"<Response><Errors><Error><Code>{CODE}</Code><Message>{message}</Message></Error></Errors>"
        text += f"<RequestID>{id}</RequestID></Response>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{CODE}</Code><Message>{message}</Message></Error>"
        text += f"<RequestId>{id}</RequestId></ErrorResponse>"
    return Reply(STATUS, {"content-type": "text/xml", "x-amzn-requestid": id}, text.encode())


def _cbor(text: str) -> bytes:
    """A text string: https://www.rfc-editor.org/rfc/rfc8949#section-3.1"""
    data = text.encode()
    return b"\x7a" + len(data).to_bytes(4, "big") + data
