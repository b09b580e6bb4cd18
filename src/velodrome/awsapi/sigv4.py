"""Checks a request's signature (Signature Version 4), where the profile has keys.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from urllib.parse import quote, unquote

from botocore.utils import normalize_url_path

from .errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from .http import Request

_ALGORITHM = "AWS4-HMAC-SHA256"
_SKEW = datetime.timedelta(minutes=15)


class Verifier:
    """Knows one access key, region and service."""

    def __init__(self, access_key_id: str, secret_access_key: str, region: str, service: str) -> None:
        self._access_key_id = access_key_id
        self._secret = secret_access_key
        self._region = region
        self._service = service

    def verify(self, request: Request, now: datetime.datetime | None = None) -> None:
        """Raise AWS's error unless the request is signed with the key, for this region and service, and recent."""
        header = request.headers.get("authorization")
        if not header:
            raise MissingAuthenticationTokenException("Missing Authentication Token")
        key_id, scope, signed, signature = _read(header)
        if key_id != self._access_key_id:
            raise UnrecognizedClientException("The security token included in the request is invalid.")
        day, region, service, end = scope
        if region != self._region:
            raise InvalidSignatureException("Credential should be scoped to a valid region. ")
        if service != self._service or end != "aws4_request":
            raise InvalidSignatureException(f"Credential should be scoped to correct service: '{self._service}'. ")
        stamp = request.headers.get("x-amz-date", "")
        self._check_time(stamp, day, now or datetime.datetime.now(datetime.UTC))
        text = "\n".join((_ALGORITHM, stamp, "/".join(scope), _digest(_canonical(request, signed).encode())))
        key = f"AWS4{self._secret}".encode()
        for part in scope:
            key = _sign(key, part)
        # As bytes: of text it compares ASCII only, and raises otherwise.
        if not hmac.compare_digest(_sign(key, text).hex().encode(), signature.encode()):
            raise InvalidSignatureException(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details."
            )

    @staticmethod
    def _check_time(stamp: str, day: str, now: datetime.datetime) -> None:
        try:
            sent = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        except ValueError:
            raise IncompleteSignatureException("Date must be in ISO-8601 'basic format'.") from None
        if stamp[:8] != day:
            raise InvalidSignatureException("Date in Credential scope does not match YYYYMMDD from X-Amz-Date.")
        # Differences of times: a date at either end of the calendar has no neighbours to compare with.
        if now - sent > _SKEW:
            limit = (now - _SKEW).strftime("%Y%m%dT%H%M%SZ")
            raise InvalidSignatureException(f"Signature expired: {stamp} is now earlier than {limit}")
        if sent - now > _SKEW:
            limit = (now + _SKEW).strftime("%Y%m%dT%H%M%SZ")
            raise InvalidSignatureException(f"Signature not yet current: {stamp} is still later than {limit}")


def _read(header: str) -> tuple[str, tuple[str, str, str, str], list[str], str]:
    algorithm, _, rest = header.partition(" ")
    if algorithm != _ALGORITHM:
        raise IncompleteSignatureException(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not fields.get(name):
            raise IncompleteSignatureException(f"Authorization header requires '{name}' parameter.")
    credential = fields["Credential"].split("/")
    signed = fields["SignedHeaders"].split(";")
    if len(credential) != 5:
        raise IncompleteSignatureException("Credential must have exactly 5 slash-delimited elements.")
    if "host" not in signed:
        raise InvalidSignatureException("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    key_id, day, region, service, end = credential
    return key_id, (day, region, service, end), signed, fields["Signature"]


def _canonical(request: Request, signed: list[str]) -> str:
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed)
    pairs = (part.partition("=")[::2] for part in request.query.split("&") if part)
    query = "&".join("=".join(pair) for pair in sorted((_encode(name), _encode(value)) for name, value in pairs))
    # Services other than S3 sign the path without dot segments and doubled slashes, encoded once more than it was sent.
    path = quote(normalize_url_path(request.raw_path), safe="/~-_.")
    return "\n".join((request.method, path, query, headers, ";".join(signed), _digest(request.body)))


def _encode(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sign(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
