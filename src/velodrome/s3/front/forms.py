"""Uploads from a web page's form: who signed its policy, and whether the policy covers its fields.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hmac
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from velodrome.awsapi import sigv4
from velodrome.awsapi.keys import Key, Keys

from . import sigv2
from .errors import S3Error, access_denied, invalid_argument
from .signatures import check_scope, find, mismatch

# Bytes before the file: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
LARGEST_HEAD = 20 * 1024
_PIECE = 4096
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"]*)"', re.IGNORECASE)
# Fields that no condition has to allow.
_FREE = frozenset({"x-amz-signature", "policy", "file", "awsaccesskeyid", "signature", "bucket"})


def is_form(method: str, content_type: str) -> bool:
    """Whether it is an upload from a form."""
    return method == "POST" and content_type.lower().startswith("multipart/form-data")


def read_fields(stream: Any, content_type: str) -> tuple[dict[str, str], bytes]:
    """The fields before the file, by their names in lower case, and what was read of the body. Raises S3Error."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _malformed()
    delimiter = b"\r\n--" + found[1].encode("latin-1", "replace")
    head = bytearray()
    while True:
        data = stream.read(_PIECE)
        head += data
        fields, whole = _parse(b"\r\n" + bytes(head), delimiter)
        if whole or not data:
            return fields, bytes(head)
        if len(head) > LARGEST_HEAD + _PIECE:
            message = "Your POST request fields preceeding the upload file was too large."
            raise S3Error(400, "MaxPostPreDataLengthExceeded", message, {"MaxPostPreDataLengthBytes": LARGEST_HEAD})


def signed_by(fields: Mapping[str, str], keys: Keys, now: datetime.datetime) -> tuple[Key, sigv4.Signature] | None:
    """Who signed the form's policy; None if it has none. Raises S3Error."""
    policy = fields.get("policy")
    if policy is None:
        return None
    if fields.get("awsaccesskeyid") and fields.get("signature"):
        signer = sigv2.of_form(fields, keys, now)
        _check_policy(policy, fields)
        return signer
    for name in ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"):
        if not fields.get(name):
            raise invalid_argument(name, "", f"Bucket POST must contain a field named '{name}'. ")
    if (algorithm := fields["x-amz-algorithm"]) != sigv4.ALGORITHM:
        raise invalid_argument("x-amz-algorithm", algorithm, "X-Amz-Algorithm only supports AWS4-HMAC-SHA256")
    try:
        signature = sigv4.from_query(
            {
                "X-Amz-Algorithm": sigv4.ALGORITHM,
                "X-Amz-Credential": fields["x-amz-credential"],
                "X-Amz-Signature": fields["x-amz-signature"],
                "X-Amz-Date": fields["x-amz-date"],
                "X-Amz-SignedHeaders": "host",
                "X-Amz-Security-Token": fields.get("x-amz-security-token", ""),
            }
        )
    except sigv4.Unreadable as error:
        raise invalid_argument("x-amz-credential", fields["x-amz-credential"], str(error)) from None
    check_scope(signature)
    key = find(keys, signature, now)
    expected = sigv4.sign(signature.key(key.secret), policy).hex()
    if not hmac.compare_digest(expected.encode(), sigv4.to_bytes(signature.value)):
        raise mismatch(signature, policy)
    _check_policy(policy, fields)
    return key, signature


def _check_policy(policy: str, fields: Mapping[str, str]) -> None:
    """Its shape, and that it speaks of every field. What its conditions demand is the engine's to compare."""
    try:
        said = json.loads(base64.b64decode(policy))
    except (ValueError, binascii.Error):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(said, dict) or "expiration" not in said:
        raise _invalid("Policy missing expiration.")
    if not isinstance(said.get("conditions"), list):
        raise _invalid("Policy missing conditions.")
    allowed: set[str] = set()
    for condition in said["conditions"]:
        if isinstance(condition, dict) and len(condition) == 1:
            allowed |= {str(name).lower() for name in condition}
        elif isinstance(condition, list) and len(condition) == 3:
            allowed.add(str(condition[1]).removeprefix("$").lower())
        else:
            raise _invalid("Invalid Condition.")
    extra = sorted(name for name in fields if name not in allowed | _FREE and not name.startswith("x-ignore-"))
    if extra:
        raise access_denied(f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")


def _parse(body: bytes, delimiter: bytes) -> tuple[dict[str, str], bool]:
    """The fields that are whole, and whether the file's part, or the form's end, has begun."""
    fields: dict[str, str] = {}
    _, *parts = body.split(delimiter)
    for number, part in enumerate(parts):
        if part.startswith(b"--"):
            return fields, True
        head, end, value = part.partition(b"\r\n\r\n")
        found = _NAME.search(head)
        if not end:
            return fields, False
        if found is None:
            raise _malformed()
        name = found[1].decode("utf-8", "replace").lower()
        if name == "file":
            return fields, True
        if number == len(parts) - 1:
            return fields, False
        if name in fields:
            raise invalid_argument(name, value.decode("utf-8", "replace"), "POST requires each field at most once.")
        fields[name] = value.decode("utf-8", "replace")
    return fields, False


def _malformed() -> S3Error:
    message = "The body of your POST request is not well-formed multipart/form-data."
    return S3Error(400, "MalformedPOSTRequest", message)


def _invalid(what: str) -> S3Error:
    return S3Error(400, "InvalidPolicyDocument", f"Invalid Policy: {what}")


class Rejoined(io.RawIOBase):
    """A body whose beginning was read already."""

    def __init__(self, head: bytes, rest: Any) -> None:
        super().__init__()
        self._head, self._rest = memoryview(head), rest

    def readable(self) -> bool:
        """As io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes."""
        if not self._head:
            return int(self._rest.readinto(buffer) or 0)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._head))
        view[:count] = self._head[:count]
        self._head = self._head[count:]
        return count
