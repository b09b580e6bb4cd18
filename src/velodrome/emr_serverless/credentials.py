"""The execution role's credentials: assumed for each job, given to its process alone, renewed before they expire.

A job's process asks for them as a container on AWS asks: at AWS_CONTAINER_CREDENTIALS_FULL_URI, with a token.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from botocore.session import get_session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

log = logging.getLogger(__name__)
PATH = "/_velodrome/credentials/{id}"
_SECONDS = 3600
# botocore's descriptions of the services; reading them takes a tenth of a second, which each job would wait for.
_MODELS = create_loader()
# The SDKs renew what ends soon; what they ask for then must not end as soon.
_RENEWED_BEFORE = datetime.timedelta(minutes=20)


class RoleError(Exception):
    """The role cannot be assumed; the message is AWS's."""


class Role:
    """An execution role with the session's policies: its credentials, and clients that use them."""

    def __init__(self, region: str, arn: str, name: str, policy: Mapping[str, Any] | None = None) -> None:
        self._region = region
        self._arn = arn
        self._name = name
        self._policy = dict(policy or {})
        self._lock = threading.Lock()
        self._known: dict[str, Any] | None = None

    def credentials(self) -> dict[str, Any]:
        """AccessKeyId, SecretAccessKey, SessionToken and Expiration, good for 20 minutes at least. Raises RoleError."""
        with self._lock:
            if self._known is None or self._known["Expiration"] - _now() < _RENEWED_BEFORE:
                self._known = self._assume()
            return self._known

    def client(self, service: str) -> Any:
        """A client of an AWS service that works with the role's rights."""
        session = get_session()
        session.register_component("data_loader", _MODELS)
        given = RefreshableCredentials.create_from_metadata(self._metadata(), self._metadata, "execution role")
        session._credentials = given  # botocore has no public way to set them
        return boto3.session.Session(botocore_session=session, region_name=self._region).client(service)

    def _metadata(self) -> dict[str, Any]:
        known = self.credentials()
        return {
            "access_key": known["AccessKeyId"],
            "secret_key": known["SecretAccessKey"],
            "token": known["SessionToken"],
            "expiry_time": known["Expiration"].isoformat(),
        }

    def _assume(self) -> dict[str, Any]:
        policies: dict[str, Any] = {}
        if "policy" in self._policy:
            policies["Policy"] = self._policy["policy"]
        if "policyArns" in self._policy:
            policies["PolicyArns"] = [{"arn": arn} for arn in self._policy["policyArns"]]
        sts = boto3.client("sts", region_name=self._region, config=Config(connect_timeout=5, read_timeout=10))
        try:
            reply = sts.assume_role(RoleArn=self._arn, RoleSessionName=self._name, DurationSeconds=_SECONDS, **policies)
        except (ClientError, BotoCoreError) as error:
            log.warning("role %s: %s", self._arn, error)
            raise RoleError(
                f"Could not assume runtime role {self._arn} because it doesn't exist or isn't setup with the required "
                f"trust relationship. {error}"
            ) from error
        return dict(reply["Credentials"])


class CredentialsEndpoint:
    """Answers the processes of jobs and sessions, each of which knows its own token."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._roles: dict[str, tuple[str, Role]] = {}
        self.route = Route(PATH, self._answer)

    def environment(self, id: str, role: Role) -> dict[str, str]:
        """What the process of a job or session is told, so that an SDK in it finds the role's credentials."""
        token = secrets.token_urlsafe(32)
        self._roles[id] = (_digest(token), role)
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._port}{PATH.format(id=id)}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        }

    def forget(self, id: str) -> None:
        """The process has ended: its token is worth nothing."""
        self._roles.pop(id, None)

    async def _answer(self, request: Request) -> Response:
        expected, role = self._roles.get(request.path_params["id"], ("", None))
        given = _digest(request.headers.get("authorization", ""))
        if role is None or not hmac.compare_digest(given, expected):
            return JSONResponse({"code": "InvalidToken", "message": "The authorization token is not valid"}, 403)
        try:
            known = await run_in_threadpool(role.credentials)
        except RoleError as error:
            return JSONResponse({"code": "AssumeRoleFailed", "message": str(error)}, 500)
        return JSONResponse(
            {
                "AccessKeyId": known["AccessKeyId"],
                "SecretAccessKey": known["SecretAccessKey"],
                "Token": known["SessionToken"],
                "Expiration": known["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
