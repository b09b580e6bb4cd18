"""Who may call a stand-in's API: whoever signs with a known key. One for each service."""

from __future__ import annotations

import datetime
from typing import Protocol
from urllib.parse import parse_qsl

from . import sigv4
from .caller import Caller, is_region
from .errors import (
    ExpiredTokenException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from .http import Request
from .keys import BadToken, ExpiredToken, Key, Keys, UnknownKey

_SKEW = datetime.timedelta(minutes=15)
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class Authenticator(Protocol):
    """Says who calls, or refuses."""

    def verify(self, request: Request) -> Caller:
        """Raises AwsError."""


class Verifier:
    """Knows the keys, and the name that the service has in a signature's scope. Every region is served."""

    def __init__(self, keys: Keys, service: str) -> None:
        self._keys = keys
        self._service = service

    def verify(self, request: Request, now: datetime.datetime | None = None) -> Caller:
        """Who signed, and the region that the signature names; raises AWS's error unless it is right and recent."""
        key, signature = self.signer(request, now)
        return Caller(key.account, signature.region, key.arn)

    def signer(self, request: Request, now: datetime.datetime | None = None) -> tuple[Key, sigv4.Signature]:
        """The key and the signature; raises as `verify` does."""
        now = now or datetime.datetime.now(datetime.UTC)
        signature = _read(request)
        key = self._key(signature, now)
        if not is_region(signature.region):
            raise InvalidSignatureException("Credential should be scoped to a valid region. ")
        if signature.service != self._service or signature.terminator != "aws4_request":
            raise InvalidSignatureException(f"Credential should be scoped to correct service: '{self._service}'. ")
        _check_time(signature, now)
        body = sigv4.digest(request.body)
        canonical = sigv4.canonical_request(request, signature.signed_headers, body)
        if not signature.matches(key.secret, signature.string_to_sign(canonical)):
            raise InvalidSignatureException(_MISMATCH)
        return key, signature

    def _key(self, signature: sigv4.Signature, now: datetime.datetime) -> Key:
        try:
            return self._keys.find(signature.key_id, signature.token, now)
        except ExpiredToken:
            raise ExpiredTokenException("The security token included in the request is expired") from None
        except (UnknownKey, BadToken):
            raise UnrecognizedClientException("The security token included in the request is invalid.") from None


def _read(request: Request) -> sigv4.Signature:
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        if "X-Amz-Signature" in query:
            signature = sigv4.from_query(query)
        elif request.headers.get("authorization"):
            signature = sigv4.from_header(request.headers)
        else:
            raise MissingAuthenticationTokenException("Missing Authentication Token")
    except sigv4.Unreadable as error:
        raise IncompleteSignatureException(str(error)) from None
    if "host" not in signature.signed_headers:
        raise InvalidSignatureException("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    return signature


def _check_time(signature: sigv4.Signature, now: datetime.datetime) -> None:
    try:
        sent = signature.sent()
    except ValueError:
        raise IncompleteSignatureException("Date must be in ISO-8601 'basic format'.") from None
    if signature.stamp[:8] != signature.day:
        raise InvalidSignatureException("Date in Credential scope does not match YYYYMMDD from X-Amz-Date.")
    # Differences of times: a date at either end of the calendar has no neighbours to compare with.
    good = _SKEW if signature.expires is None else datetime.timedelta(seconds=min(signature.expires, 604800))
    if now - sent > good:
        limit = (now - good).strftime(sigv4.STAMP)
        raise InvalidSignatureException(f"Signature expired: {signature.stamp} is now earlier than {limit}")
    if sent - now > _SKEW:
        limit = (now + _SKEW).strftime(sigv4.STAMP)
        raise InvalidSignatureException(f"Signature not yet current: {signature.stamp} is still later than {limit}")
