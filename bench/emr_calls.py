"""Calls EMR Serverless's API for bench/emr.py: through boto3, and with a client that costs less than the service.

boto3 takes milliseconds of its own for each call, more than the service does. How much the service can take is measured
with requests that are signed beforehand and sent over http.client, from another core than the service's.
"""

from __future__ import annotations

import http.client
import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.serialize import create_serializer

from velodrome.awsapi.profile import Profile

CLIENTS = 4
Parameters = Callable[[], dict[str, Any]]


@dataclass
class Signed:
    """A request as it goes over the wire."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]


class Calls:
    """Calls of one service, whose process is `service`."""

    def __init__(self, emr: Any, profile: Profile, service: int) -> None:
        self._emr = emr
        self._service = service
        self._address = urlsplit(emr.meta.endpoint_url).netloc
        keys = Credentials(profile.access_key_id, profile.secret_access_key)
        self._auth = SigV4Auth(keys, "emr-serverless", emr.meta.region_name)
        self._serializer = create_serializer("rest-json")

    def by_boto3(self, operation: str, parameters: Parameters, count: int) -> float:
        """Median seconds of one call after the other, at the client."""
        call = getattr(self._emr, xform_name(operation))
        seconds = []
        with self._one_core():
            for _ in range(count):
                given = parameters()
                begin = time.perf_counter()
                call(**given)
                seconds.append(time.perf_counter() - begin)
        return statistics.median(seconds)

    def per_second(self, operation: str, parameters: Parameters, count: int) -> float:
        """How many calls the service answers on one core, asked by clients that always have the next one ready."""
        shares = [[self._signed(operation, parameters()) for _ in range(count // CLIENTS)] for _ in range(CLIENTS)]
        with self._one_core(), ThreadPoolExecutor(CLIENTS) as pool:
            begin = time.perf_counter()
            list(pool.map(self._send, shares))
            return sum(map(len, shares)) / (time.perf_counter() - begin)

    def _send(self, requests: list[Signed]) -> None:
        connection = http.client.HTTPConnection(self._address)
        for request in requests:
            connection.request(request.method, request.target, request.body, request.headers)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
        connection.close()

    def _signed(self, operation: str, parameters: dict[str, Any]) -> Signed:
        model = self._emr.meta.service_model.operation_model(operation)
        if "clientToken" in model.input_shape.members:
            parameters = {"clientToken": str(uuid.uuid4())} | parameters
        made = self._serializer.serialize_to_request(parameters, model)
        target = made["url_path"] + (f"?{urlencode(made['query_string'])}" if made["query_string"] else "")
        request = AWSRequest(made["method"], f"http://{self._address}{target}", made["headers"], made["body"])
        self._auth.add_auth(request)
        return Signed(made["method"], target, made["body"] or b"", dict(request.headers.items()))

    @contextmanager
    def _one_core(self) -> Iterator[None]:
        """Keep the service to one core, and this process from it, where there are two."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            self._pin(self._service, {cores[0]})
            self._pin(os.getpid(), set(cores[1:]))
        try:
            yield
        finally:
            for process in (self._service, os.getpid()):
                self._pin(process, set(cores))

    @staticmethod
    def _pin(process: int, cores: set[int]) -> None:
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread.name), cores)
