"""S3's signatures: in the Authorization header, in a presigned URL's query, in a form's fields.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from velodrome.awsapi import sigv4
from velodrome.awsapi.caller import is_region
from velodrome.awsapi.http import Request
from velodrome.awsapi.keys import BadToken, ExpiredToken, Key, Keys, UnknownKey

from .errors import MISMATCH, S3Error, access_denied, invalid_argument

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SKEW = datetime.timedelta(minutes=15)
_WEEK = 604800
_SERVICES = ("s3", "s3-outposts", "s3express")
CONTENT = "x-amz-content-sha256"
# Parameters of a presigned URL that say who signed, and what of the payload is signed.
PRESIGNED = frozenset(
    f"x-amz-{name}"
    for name in (
        "algorithm",
        "credential",
        "date",
        "expires",
        "signedheaders",
        "signature",
        "security-token",
        "content-sha256",
    )
)
_NEEDED = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)


def signed_by(request: Request, keys: Keys, now: datetime.datetime) -> tuple[Key, sigv4.Signature] | None:
    """The key and the signature of a request, whose body is not looked at; None if it is not signed. Raises S3Error."""
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    header = request.headers.get("authorization")
    by_query = is_presigned(query)
    if header is not None and (by_query or "Signature" in query):
        raise invalid_argument(
            "Authorization",
            header,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
            "parameter or the Authorization header should be specified",
        )
    if by_query:
        return _by_query(request, query, keys, now)
    if header is not None:
        return _by_header(request, header, keys, now)
    return None


def is_presigned(query: Mapping[str, str]) -> bool:
    """Whether a URL has a signature of version 4, whole or not."""
    return any(name in query for name in ("X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential"))


def _by_header(request: Request, header: str, keys: Keys, now: datetime.datetime) -> tuple[Key, sigv4.Signature]:
    algorithm = header.partition(" ")[0]
    if algorithm.startswith("AWS4-ECDSA"):
        raise _unsupported()
    if algorithm != sigv4.ALGORITHM:
        raise invalid_argument("Authorization", header, "Unsupported Authorization Type")
    try:
        signature = sigv4.from_header(request.headers)
    except sigv4.Unreadable:
        raise malformed(
            'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        ) from None
    check_scope(signature)
    moment = sent_at(request.headers)
    signature = replace(signature, stamp=moment.strftime(sigv4.STAMP))
    check_skew(moment, now)
    key = find(keys, signature, now)
    if CONTENT not in request.headers:
        raise S3Error(400, "InvalidRequest", f"Missing required header for this request: {CONTENT}")
    _check_signed_headers(request, signature)
    _check(request, signature, key, request.headers[CONTENT])
    return key, signature


def _by_query(
    request: Request, query: Mapping[str, str], keys: Keys, now: datetime.datetime
) -> tuple[Key, sigv4.Signature]:
    if not all(query.get(name) for name in _NEEDED):
        raise _bad_query(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if query["X-Amz-Algorithm"] != sigv4.ALGORITHM:
        raise _bad_query('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
    expires = query["X-Amz-Expires"]
    if not expires.lstrip("-").isdecimal() or not expires.isascii():
        raise _bad_query("X-Amz-Expires should be a number")
    if int(expires) < 0:
        raise _bad_query("X-Amz-Expires must be non-negative")
    if int(expires) > _WEEK:
        raise _bad_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            "604800 seconds"
        )
    try:
        signature = sigv4.from_query(query)
        sent = signature.sent()
    except sigv4.Unreadable:
        raise _bad_query(
            'Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "<YOUR-AKID>/'
            'YYYYMMDD/REGION/SERVICE/aws4_request".'
        ) from None
    except ValueError:
        raise _bad_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"") from None
    check_scope(signature, "AuthorizationQueryParametersError", "Error parsing the X-Amz-Credential parameter")
    ends = sent + datetime.timedelta(seconds=int(expires))
    if now > ends:
        raise access_denied("Request has expired", **{"X-Amz-Expires": expires}, Expires=iso(ends), ServerTime=iso(now))
    if sent - now > _SKEW:
        raise access_denied("Request is not yet valid", **{"X-Amz-Date": signature.stamp}, ServerTime=iso(now))
    key = find(keys, signature, now)
    _check_signed_headers(request, signature)
    # What is signed of the body: a presigned URL is made before there is one.
    payload = request.headers.get(CONTENT) if CONTENT in signature.signed_headers else None
    _check(request, signature, key, payload or query.get("X-Amz-Content-Sha256") or sigv4.UNSIGNED)
    return key, signature


def find(keys: Keys, signature: sigv4.Signature, now: datetime.datetime) -> Key:
    """The key that signed. Raises S3Error."""
    try:
        return keys.find(signature.key_id, signature.token, now)
    except UnknownKey:
        raise S3Error(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            {"AWSAccessKeyId": signature.key_id},
        ) from None
    except ExpiredToken:
        raise S3Error(400, "ExpiredToken", "The provided token has expired.", {"Token-0": signature.token}) from None
    except BadToken:
        message = "The provided token is malformed or otherwise invalid."
        raise S3Error(400, "InvalidToken", message, {"Token-0": signature.token}) from None


def check_scope(
    signature: sigv4.Signature,
    code: str = "AuthorizationHeaderMalformed",
    opening: str = "The authorization header is malformed",
) -> None:
    """Whether the credential's scope is one of S3's. Every region is served. Raises S3Error."""
    if not signature.key_id:
        raise S3Error(400, code, f"{opening}; a non-empty Access Key (AKID) must be provided in the credential.")
    if not is_region(signature.region):
        message = f"{opening}; the region '{signature.region}' is wrong; expecting 'us-east-1'"
        raise S3Error(400, code, message, {"Region": "us-east-1"})
    if signature.service not in _SERVICES:
        raise S3Error(400, code, f'{opening}; incorrect service "{signature.service}". This endpoint belongs to "s3".')
    if signature.terminator != "aws4_request":
        raise S3Error(
            400, code, f'{opening}; incorrect terminal "{signature.terminator}". This endpoint uses "aws4_request".'
        )


def check_skew(moment: datetime.datetime, now: datetime.datetime) -> None:
    """Whether it was signed now, or nearly. Raises S3Error."""
    if abs(now - moment) > _SKEW:
        raise S3Error(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            {
                "RequestTime": moment.strftime(sigv4.STAMP),
                "ServerTime": iso(now),
                "MaxAllowedSkewMilliseconds": 900000,
            },
        )


def mismatch(signature: sigv4.Signature, text: str, canonical: str | None = None) -> S3Error:
    """What S3 says of a wrong signature: what it has signed itself."""
    details: dict[str, object] = {
        "AWSAccessKeyId": signature.key_id,
        "StringToSign": text,
        "SignatureProvided": signature.value,
        "StringToSignBytes": sigv4.to_bytes(text).hex(" "),
    }
    if canonical is not None:
        details |= {"CanonicalRequest": canonical, "CanonicalRequestBytes": sigv4.to_bytes(canonical).hex(" ")}
    return S3Error(403, "SignatureDoesNotMatch", MISMATCH, details)


def malformed(what: str) -> S3Error:
    """An Authorization header that cannot be read."""
    return S3Error(400, "AuthorizationHeaderMalformed", f"The authorization header is malformed; {what}")


def _check(request: Request, signature: sigv4.Signature, key: Key, payload: str) -> None:
    canonical = sigv4.canonical_request(request, signature.signed_headers, payload, sigv4.plain_path)
    text = signature.string_to_sign(canonical)
    if not signature.matches(key.secret, text):
        raise mismatch(signature, text, canonical)


def _check_signed_headers(request: Request, signature: sigv4.Signature) -> None:
    """A header that is not signed could have been put in on the way."""
    must = {name for name in request.headers if name.startswith("x-amz-") and name != CONTENT} | {"host"}
    if missing := sorted(must - set(signature.signed_headers)):
        raise access_denied(
            "There were headers present in the request which were not signed", HeadersNotSigned=", ".join(missing)
        )


def sent_at(headers: Mapping[str, str]) -> datetime.datetime:
    """When a request says that it was sent. Raises S3Error."""
    refused = access_denied("AWS authentication requires a valid Date or x-amz-date header")
    text = headers.get("x-amz-date", headers.get("date", ""))
    try:
        return datetime.datetime.strptime(text, sigv4.STAMP).replace(tzinfo=datetime.UTC)
    except ValueError:
        pass
    try:
        found = parsedate_to_datetime(text)
        sent = found.replace(tzinfo=found.tzinfo or datetime.UTC).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise refused from None
    if sent < _EPOCH:
        raise refused
    return sent


def _unsupported() -> S3Error:
    return S3Error(
        400,
        "InvalidRequest",
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )


def _bad_query(message: str) -> S3Error:
    return S3Error(400, "AuthorizationQueryParametersError", message)


def iso(moment: datetime.datetime) -> str:
    """As S3's errors have times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
