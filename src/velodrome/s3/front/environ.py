"""A WSGI environ as a request that can be checked, and a request that was checked back in the environ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from velodrome.awsapi.http import Request
from velodrome.awsapi.sigv4 import ALGORITHM, Signature

from .signatures import PRESIGNED
from .sigv2 import OWN

Environ = dict[str, Any]
# Headers by which an engine's own parts tell each other what they trust.
_INTERNAL = ("x-localstack", "x-moto")


def read_request(environ: Environ) -> Request:
    """The request without its body; of the headers, none that an engine would trust."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in environ["rolo.headers"]:
        name = raw_name.decode("ascii").lower()
        value = raw_value.decode("utf-8", "surrogateescape")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    headers = {name: value for name, value in headers.items() if not name.startswith(_INTERNAL)}
    target = environ["RAW_URI"]
    path = target.partition("?")[0]
    raw_path = path if path.startswith("/") else urlsplit(path).path or "/"
    return Request(environ["REQUEST_METHOD"], raw_path, environ["QUERY_STRING"], headers, b"")


def write_request(environ: Environ, request: Request, signature: Signature | None) -> None:
    """Put a checked request in its place: a presigned URL's parameters, and a form's, become headers."""
    headers = dict(request.headers)
    query = request.query
    if signature is not None:
        if "authorization" not in headers:
            query = _without_signature(query, headers)
        headers["authorization"] = (
            f"{ALGORITHM} Credential={signature.key_id}/{signature.scope}, "
            f"SignedHeaders={';'.join(signature.signed_headers)}, Signature={signature.value}"
        )
    environ["QUERY_STRING"] = query
    path = environ["RAW_URI"].partition("?")[0]
    environ["RAW_URI"] = environ["REQUEST_URI"] = f"{path}?{query}" if query else path
    _write_headers(environ, headers)


def _without_signature(query: str, headers: dict[str, str]) -> str:
    """The query without what was signed with; what else would be headers of S3's becomes headers."""
    left = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        lower = name.lower()
        if lower in PRESIGNED or name in OWN:
            continue
        if lower.startswith("x-amz-") or lower in ("content-type", "content-md5"):
            headers.setdefault(lower, value)
        else:
            left.append((name, value))
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" if value else quote(name, safe="") for name, value in left
    )


def _write_headers(environ: Environ, headers: Mapping[str, str]) -> None:
    for name in [name for name in environ if name.startswith("HTTP_")]:
        del environ[name]
    raw = []
    for name, value in headers.items():
        data = value.encode("utf-8", "surrogateescape")
        raw.append((name.encode("ascii"), data))
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = data.decode("latin-1")
    environ["rolo.headers"] = raw
