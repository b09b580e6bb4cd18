"""Requests to S3 that no client would build, signed as AWS's clients sign them."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from velodrome.awsapi import profile
from velodrome.settings import Settings


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

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Headers are given with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, self._endpoint + path, data=body, headers=named)
        self._auth.add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(self._endpoint).netloc, timeout=30)
        try:
            connection.request(method, path, body, dict(request.headers.items()))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()
