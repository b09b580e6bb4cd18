"""Gives Java the certificates that Python trusts; the JVM's own list knows no company's or machine's authority."""

from __future__ import annotations

import hashlib
import struct

_MAGIC = 0xFEEDFEED
_VERSION = 2
_TRUSTED = 2
PASSWORD = "changeit"  # noqa: S105  every Java trust store's; it protects nothing


def java_key_store(certificates: list[bytes]) -> bytes:
    """A Java key store (JKS) with these authorities.

    Its layout: https://docs.oracle.com/en/java/javase/17/docs/specs/security/standard-names.html#keystore-types
    """
    store = struct.pack(">III", _MAGIC, _VERSION, len(certificates))
    for number, certificate in enumerate(certificates):
        store += struct.pack(">I", _TRUSTED) + _text(f"authority-{number}") + struct.pack(">Q", 0)
        store += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    digest = hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + store)  # noqa: S324  the format's own
    return store + digest.digest()


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data
