"""Signature Version 4: reads a signature from a request, and computes what it must be. Knows no keys and no service.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from botocore.utils import normalize_url_path

from .http import Request

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
STAMP = "%Y%m%dT%H%M%SZ"


class Unreadable(Exception):
    """The signature cannot be read; the message says what is missing, in AWS's words."""


@dataclass(frozen=True)
class Signature:
    """What a request says of its signature, in its Authorization header or its query string."""

    key_id: str
    day: str
    region: str
    service: str
    terminator: str
    signed_headers: tuple[str, ...]
    value: str
    stamp: str
    token: str | None
    # Seconds that a presigned URL is good for; None in a header, where the clock's skew alone counts.
    expires: int | None = None

    @property
    def scope(self) -> str:
        """Day, region, service and terminator, as they are signed."""
        return "/".join((self.day, self.region, self.service, self.terminator))

    def sent(self) -> datetime.datetime:
        """When it was signed. Raises ValueError."""
        return datetime.datetime.strptime(self.stamp, STAMP).replace(tzinfo=datetime.UTC)

    def key(self, secret: str) -> bytes:
        """The key that signs in its scope."""
        key = f"AWS4{secret}".encode()
        for part in (self.day, self.region, self.service, self.terminator):
            key = sign(key, part)
        return key

    def string_to_sign(self, canonical: str) -> str:
        """What is signed of a canonical request."""
        return "\n".join((ALGORITHM, self.stamp, self.scope, digest(to_bytes(canonical))))

    def matches(self, secret: str, text: str) -> bool:
        """Whether it is the text's signature by this secret."""
        # As bytes: of text it compares ASCII only, and raises otherwise.
        return hmac.compare_digest(sign(self.key(secret), text).hex().encode(), to_bytes(self.value))


def from_header(headers: Mapping[str, str]) -> Signature:
    """The signature in the Authorization header. Raises Unreadable."""
    algorithm, _, rest = headers.get("authorization", "").partition(" ")
    if algorithm != ALGORITHM:
        raise Unreadable(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not fields.get(name):
            raise Unreadable(f"Authorization header requires '{name}' parameter.")
    scope = _credential(fields["Credential"])
    return Signature(
        *scope,
        tuple(fields["SignedHeaders"].split(";")),
        fields["Signature"],
        headers.get("x-amz-date", ""),
        headers.get("x-amz-security-token"),
    )


def from_query(query: Mapping[str, str]) -> Signature:
    """The signature in a presigned URL's query string (names as they are sent, values decoded). Raises Unreadable."""
    for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders"):
        if not query.get(name):
            raise Unreadable(f"AWS query-string parameters must include '{name}'.")
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise Unreadable(f"Unsupported AWS 'algorithm': '{query['X-Amz-Algorithm']}'.")
    expires = query.get("X-Amz-Expires", "")
    if expires and not (expires.isascii() and expires.isdigit()):
        raise Unreadable("X-Amz-Expires should be a number")
    scope = _credential(query["X-Amz-Credential"])
    return Signature(
        *scope,
        tuple(query["X-Amz-SignedHeaders"].split(";")),
        query["X-Amz-Signature"],
        query["X-Amz-Date"],
        query.get("X-Amz-Security-Token"),
        int(expires) if expires else None,
    )


def canonical_request(
    request: Request, signed_headers: tuple[str, ...], payload: str, path: Callable[[str], str] | None = None
) -> str:
    """The request as it is signed. `payload` is the digest of its body or what stands for it; `path` makes the path."""
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed_headers)
    pairs = (part.partition("=")[::2] for part in request.query.split("&") if part)
    known = ((_encode(name), _encode(value)) for name, value in pairs)
    query = "&".join("=".join(pair) for pair in sorted(pair for pair in known if pair[0] != "X-Amz-Signature"))
    where = (path or normalized_path)(request.raw_path)
    return "\n".join((request.method, where, query, headers, ";".join(signed_headers), payload))


def normalized_path(raw_path: str) -> str:
    """Services other than S3 sign the path without dot segments and doubled slashes, encoded once more."""
    return quote(normalize_url_path(raw_path), safe="/~-_.")


def plain_path(raw_path: str) -> str:
    """S3 signs the path as it is meant, each byte encoded once."""
    return quote(unquote_to_bytes(raw_path), safe="/-_.~") or "/"


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sign(key: bytes, text: str) -> bytes:
    """One step of the key's derivation, and the signature itself."""
    return hmac.digest(key, to_bytes(text), "sha256")


def to_bytes(text: str) -> bytes:
    """As it was on the wire: bytes of a header that are not UTF-8 come as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _credential(text: str) -> tuple[str, str, str, str, str]:
    parts = text.rsplit("/", 4)
    if len(parts) != 5:
        raise Unreadable("Credential must have exactly 5 slash-delimited elements.")
    key_id, day, region, service, end = parts
    return key_id, day, region, service, end


def _encode(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")
