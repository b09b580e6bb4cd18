"""The settings of a live Spark UI, and the key without which it answers nobody.

A port on the loopback interface is open to every user and, through a browser, to every web page. Spark's own filter
asks for a signed token in each request; the dashboard's proxy is the only one that can make it:
https://spark.apache.org/docs/4.0.2/security.html#authentication-and-authorization
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import time
from pathlib import Path

from velodrome.settings import write_private

from .resources import Resource

_FILTER = "org.apache.spark.ui.JWSFilter"
_SECONDS = 60
_KEY_BYTES = 32
# Spark takes the next port where its own is taken, this many times (spark.port.maxRetries).
PORTS_TRIED = 16


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ui_settings(port: int) -> dict[str, str]:
    """What makes a Spark application show its UI on this port, or on one of the next 16 if that is taken meanwhile.

    `ui_secret` belongs to it: without it, Spark's filter does not start, and neither does the UI.
    """
    return {
        "spark.ui.enabled": "true",
        "spark.ui.port": str(port),
        "spark.port.maxRetries": str(PORTS_TRIED),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.filters": _FILTER,
    }


def ui_secret(key: bytes) -> dict[str, str]:
    """The setting with the key of at least 32 bytes. It must not stand in a command line, which every user can read;
    its name has "secret" in it, so that Spark shows it neither in the UI nor in the event log."""
    return {f"spark.{_FILTER}.param.secretKey": base64.urlsafe_b64encode(key).decode()}


def bearer(key: bytes) -> str:
    """The header `Authorization` for a request to a UI with this key, good for a minute."""
    parts = [{"alg": "HS256", "typ": "JWT"}, {"exp": int(time.time()) + _SECONDS}]
    signed = b".".join(_base64url(json.dumps(part).encode()) for part in parts)
    return f"Bearer {(signed + b'.' + _base64url(hmac.digest(key, signed, hashlib.sha256))).decode()}"


def key_of(master: bytes, name: str) -> bytes:
    """The key of one UI, of 32 bytes. Nobody has to keep it, and no job can make another job's."""
    return hmac.digest(master, name.encode(), hashlib.sha256)


class LiveUis:
    """The ports of the Spark UIs that run now; safe to use from several threads."""

    def __init__(self, master_key: bytes) -> None:
        self.master_key = master_key
        self._ports: dict[Resource, int] = {}

    def open(self, resource: Resource) -> tuple[dict[str, str], dict[str, str]]:
        """What the resource's Spark is to be started with: settings, and those that are secret."""
        self._ports[resource] = port = free_port()
        return ui_settings(port), ui_secret(self.key(resource))

    def close(self, resource: Resource) -> None:
        """The resource's Spark has ended."""
        self._ports.pop(resource, None)

    def port(self, resource: Resource) -> int | None:
        """The port that the resource's Spark was told to take; None when it does not run."""
        return self._ports.get(resource)

    def key(self, resource: Resource) -> bytes:
        """The key that the resource's UI asks for."""
        return key_of(self.master_key, resource.prefix)


def master_key(file: Path) -> bytes:
    """The key that the keys of all UIs are made from; kept (mode 600), since a job may outlive the service."""
    if file.is_file():
        return bytes.fromhex(file.read_text(encoding="utf-8").strip())
    key = secrets.token_bytes(_KEY_BYTES)
    write_private(file, key.hex() + "\n")
    return key


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
