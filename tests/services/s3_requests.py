"""Requests to S3 that no client would build, signed as AWS's clients sign them, and what clients are told."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from velodrome.awsapi import profile
from velodrome.settings import Settings

FILE = ("file", "f.txt", b"data")  # a part of a form


@dataclass(frozen=True)
class Answer:
    """What S3 said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code; empty if it is none."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found.group(1).decode() if found else ""

    @property
    def message(self) -> str:
        """The error's message."""
        found = re.search(rb"<Message>([^<]*)</Message>", self.body)
        return found.group(1).decode() if found else ""


class Raw:
    """Sends a method and a path with its query as they are."""

    def __init__(self, settings: Settings) -> None:
        mine = profile.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
        self._auth = S3SigV4Auth(Credentials(mine.access_key_id, mine.secret_access_key), "s3", mine.region)
        self._endpoint = mine.endpoint("s3")

    def __call__(self, method: str, path: str, body: bytes = b"", *, unsigned: bool = False, **headers: str) -> Answer:
        """Headers are given with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, self._endpoint + path, data=body, headers=named)
        if not unsigned:
            self._auth.add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(self._endpoint).netloc, timeout=30)
        try:
            connection.request(method, path, body, {name: value.encode() for name, value in request.headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post_fields(self, policy: dict[str, Any]) -> dict[str, str]:
        """The fields of a form that is signed with a policy as it is."""
        request = AWSRequest("POST", self._endpoint)
        fields: dict[str, str] = {}
        request.context |= {"s3-presign-post-fields": fields, "s3-presign-post-policy": policy}
        S3SigV4PostAuth(self._auth.credentials, "s3", self._auth._region_name).add_auth(request)
        return fields


def form(*parts: tuple[str, str, bytes]) -> bytes:
    """A form of (name, file name, content)."""
    text = b""
    for name, file, content in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
        text += b"--B\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + content + b"\r\n"
    return text + b"--B--\r\n"


def refused(call: Callable[..., Any], **members: Any) -> tuple[int, str, str]:
    """Status, code and message of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error.get("Message", "")
