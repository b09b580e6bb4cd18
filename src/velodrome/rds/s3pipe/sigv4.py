"""Signs a request (Signature Version 4) with the standard library alone.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from urllib.parse import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The body of an object is not hashed: TLS protects it on AWS, and S3 tells by its ETag what it got.
UNSIGNED = "UNSIGNED-PAYLOAD"


class Keys(tuple[str, str, str]):
    """Access key, secret key, session token (empty without one)."""

    __slots__ = ()

    def __new__(cls, access_key: str, secret_key: str, session_token: str = "") -> Keys:
        return super().__new__(cls, (access_key, secret_key, session_token))

    @property
    def access_key(self) -> str:
        return self[0]

    def __repr__(self) -> str:
        return f"Keys({self[0]!r})"  # never the secret


def encoded(text: str, safe: str = "-_.~") -> str:
    """As AWS encodes: everything but letters, digits and `-_.~`."""
    return quote(text, safe=safe)


def query_string(query: Mapping[str, str]) -> str:
    """Sorted, as it is signed.

    >>> query_string({"uploads": "", "a b": "/"})
    'a%20b=%2F&uploads='
    """
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in sorted(query.items()))


def sign(
    keys: Keys,
    region: str,
    service: str,
    method: str,
    path: str,
    query: Mapping[str, str],
    headers: dict[str, str],
    body_hash: str,
    now: float | None = None,
) -> None:
    """Adds date, token and signature to the headers; names in small letters, `host` among them. `path` is encoded."""
    access_key, secret_key, token = keys
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    headers["x-amz-date"] = stamp
    if service == "s3":
        headers["x-amz-content-sha256"] = body_hash
    if token:
        headers["x-amz-security-token"] = token
    names = sorted(headers)
    signed = ";".join(names)
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    request = "\n".join((method, path, query_string(query), lines, signed, body_hash))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, sha256(request.encode()).hexdigest()))
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
    )
