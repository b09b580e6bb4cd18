"""Signature Version 2, which us-east-1 still takes: presigned URLs and form policies, which boto3 makes so there unless
it is told otherwise, and the Authorization header of old clients. It says nothing of the body.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

from __future__ import annotations

import base64
import datetime
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from velodrome.awsapi import sigv4
from velodrome.awsapi.http import Request
from velodrome.awsapi.keys import Key, Keys

from .errors import MISMATCH, S3Error, access_denied, invalid_argument
from .signatures import check_skew, find, iso, sent_at

# Parameters that are signed: those that name a part of a bucket or an object, and those that change an answer's head.
_SIGNED = frozenset(
    {"accelerate", "acl", "analytics", "cors", "delete", "defaultObjectAcl", "inventory", "lifecycle", "location"}
    | {"logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment"}
    | {"restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId"}
    | {"versioning", "versions", "website", "response-cache-control", "response-content-disposition"}
    | {"response-content-encoding", "response-content-language", "response-content-type", "response-expires"}
)
_HEADERS = ("content-md5", "content-type")
# Parameters of the URL that say who signed.
OWN = frozenset({"AWSAccessKeyId", "Signature", "Expires"})


def signed_by(
    request: Request, query: Mapping[str, str], keys: Keys, now: datetime.datetime
) -> tuple[Key, sigv4.Signature]:
    """The key of a presigned URL. Raises S3Error."""
    if not all(query.get(name) for name in OWN):
        raise access_denied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
    try:
        ends = datetime.datetime.fromtimestamp(int(query["Expires"]), datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise access_denied(f"Invalid date (should be seconds since epoch): {query['Expires']}") from None
    if now > ends:
        raise access_denied("Request has expired", Expires=iso(ends), ServerTime=iso(now))
    lower = {name.lower(): value for name, value in query.items()} | dict(request.headers)
    signature = _signature(query["AWSAccessKeyId"], query["Signature"], lower.get("x-amz-security-token"), now)
    key = find(keys, signature, now)
    check(signature, key, *_texts(request, lower, query["Expires"]))
    return key, signature


def is_header(header: str) -> bool:
    """Whether an Authorization header is one of this version."""
    return header.partition(" ")[0] == "AWS"


def by_header(request: Request, header: str, keys: Keys, now: datetime.datetime) -> tuple[Key, sigv4.Signature]:
    """The key of an Authorization header, `AWS key:signature`. Raises S3Error."""
    id, colon, value = header.partition(" ")[2].strip().partition(":")
    if not (id and colon and value):
        message = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"
        raise invalid_argument("Authorization", header, message)
    check_skew(sent_at(request.headers), now)
    signature = _signature(id, value, request.headers.get("x-amz-security-token"), now)
    key = find(keys, signature, now)
    # The date is among Amazon's headers, if it is there.
    date = "" if "x-amz-date" in request.headers else request.headers["date"]
    check(signature, key, *_texts(request, request.headers, date))
    return key, signature


def _texts(request: Request, headers: Mapping[str, str], date: str) -> list[str]:
    """What may have been signed: a bucket's path as it was sent, or with the slash that it has below its own host."""
    amazon = sorted((name, value.strip()) for name, value in headers.items() if name.startswith("x-amz-"))
    lines = (
        request.method,
        *(headers.get(name, "").strip() for name in _HEADERS),
        date,
        *(f"{name}:{value}" for name, value in amazon),
    )
    path = request.raw_path
    paths = [path] if "/" in path[1:] else [path, f"{path}/"]
    return ["\n".join((*lines, one + _parameters(request.query))) for one in paths]


def of_form(fields: Mapping[str, str], keys: Keys, now: datetime.datetime) -> tuple[Key, sigv4.Signature]:
    """The key of a form's policy. Raises S3Error."""
    id, value = fields["awsaccesskeyid"], fields["signature"]
    signature = _signature(id, value, fields.get("x-amz-security-token"), now)
    key = find(keys, signature, now)
    check(signature, key, fields["policy"])
    return key, signature


def check(signature: sigv4.Signature, key: Key, *texts: str) -> None:
    """Whether it is the signature of one of these texts by this key. Raises S3Error."""
    given = sigv4.to_bytes(signature.value)
    found = (hmac.digest(key.secret.encode(), sigv4.to_bytes(text), "sha1") for text in texts)
    if not any(hmac.compare_digest(base64.b64encode(one), given) for one in found):
        details = {
            "AWSAccessKeyId": key.id,
            "StringToSign": texts[0],
            "SignatureProvided": signature.value,
            "StringToSignBytes": sigv4.to_bytes(texts[0]).hex(" "),
        }
        raise S3Error(403, "SignatureDoesNotMatch", MISMATCH, details)


def _signature(key_id: str, value: str, token: str | None, now: datetime.datetime) -> sigv4.Signature:
    stamp = now.strftime(sigv4.STAMP)
    return sigv4.Signature(key_id, stamp[:8], "us-east-1", "s3", "aws4_request", ("host",), value, stamp, token)


def _parameters(query: str) -> str:
    named = sorted(
        (name, value if "=" in part else None)
        for part in query.split("&")
        for name, value in parse_qsl(part, keep_blank_values=True)
        if name in _SIGNED
    )
    return "?" * bool(named) + "&".join(name if value is None else f"{name}={value}" for name, value in named)
