"""Which other origins' pages may read an answer: those that the bucket's own CORS rules name. It lets nobody in.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from velodrome.awsapi.http import Reply, Request

from .errors import S3Error, request_id

Rule = Mapping[str, Any]
ORIGIN = "origin"
_METHOD, _HEADERS = "access-control-request-method", "access-control-request-headers"
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
_NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)


def allowed(rules: Sequence[Rule] | None, request: Request) -> dict[str, str]:
    """The headers that let the page read, by the first rule that holds; none for a request of no page, or no rule."""
    origin = request.headers.get(ORIGIN)
    for rule in rules or ():
        if origin is not None and _holds(rule, origin, request):
            return _headers(rule, origin, request)
    return {}


def preflight(rules: Sequence[Rule] | None, request: Request) -> Reply:
    """What a browser asks before it sends what a plain form cannot. `rules` is None where no bucket is. Raises
    S3Error."""
    asked = request.headers.get(_METHOD)
    if ORIGIN not in request.headers:
        raise S3Error(400, "BadRequest", "Insufficient information. Origin request header needed.")
    if not rules:
        why = "Bucket not found" if rules is None else "CORS is not enabled for this bucket."
        raise _forbidden(f"CORSResponse: {why}", asked, "BUCKET")
    if asked is None:
        raise S3Error(400, "BadRequest", "Invalid Access-Control-Request-Method: null")
    if not (headers := allowed(rules, request)):
        raise _forbidden(_NOT_ALLOWED, asked, "OBJECT" if "/" in request.raw_path.strip("/") else "BUCKET")
    return Reply(200, {**headers, "x-amz-request-id": request_id()}, b"")


def adding(start_response: Callable[..., Any], headers: Mapping[str, str]) -> Callable[..., Any]:
    """start_response that adds them."""

    def started(status: str, given: Sequence[tuple[str, str]], *more: Any) -> Any:
        return start_response(status, [*given, *headers.items()], *more)

    return started if headers else start_response


def without_origin(request: Request) -> Request:
    """The request for an engine that has CORS rules of its own."""
    left = {name: value for name, value in request.headers.items() if name not in (ORIGIN, "referer")}
    return replace(request, headers=left)


def _forbidden(message: str, method: str | None, kind: str) -> S3Error:
    return S3Error(403, "AccessForbidden", message, {"Method": method or "OPTIONS", "ResourceType": kind})


def _holds(rule: Rule, origin: str, request: Request) -> bool:
    """What a request says that it is going to do counts more than what it does, as in S3."""
    method = request.headers.get(_METHOD, request.method)
    return (
        method in rule.get("AllowedMethods", ())
        and _like(origin, rule.get("AllowedOrigins", ()))
        and all(
            _like(name, [one.lower() for one in rule.get("AllowedHeaders") or ()]) for name in _asked_headers(request)
        )
    )


def _asked_headers(request: Request) -> list[str]:
    given = request.headers.get(_HEADERS, "").lower().split(",")
    return [name for one in given if (name := one.strip())]


def _like(text: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is the text's; `*` stands for any characters, or none."""
    return any(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) for pattern in patterns)


def _headers(rule: Rule, origin: str, request: Request) -> dict[str, str]:
    everybody = "*" in rule["AllowedOrigins"]
    found = {"Access-Control-Allow-Origin": "*" if everybody else origin}
    found["Access-Control-Allow-Methods"] = ", ".join(rule["AllowedMethods"])
    if asked := _asked_headers(request):
        found["Access-Control-Allow-Headers"] = ", ".join(asked)
    if exposed := rule.get("ExposeHeaders"):
        found["Access-Control-Expose-Headers"] = ", ".join(exposed)
    if age := rule.get("MaxAgeSeconds"):
        found["Access-Control-Max-Age"] = str(age)
    if not everybody:
        found["Access-Control-Allow-Credentials"] = "true"
    return found | {"Vary": _VARY}
