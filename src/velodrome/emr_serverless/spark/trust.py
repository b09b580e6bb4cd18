"""Gives Java the certificates that Python trusts; the JVM's own list knows no company's or machine's authority."""

from __future__ import annotations

import hashlib
import ssl
import struct
from pathlib import Path

_MAGIC = 0xFEEDFEED
_VERSION = 2
_TRUSTED = 2
PASSWORD = "changeit"  # noqa: S105  every Java trust store's; it protects nothing


def system_certificates() -> list[bytes]:
    """The authorities (DER) of SSL_CERT_FILE or the system's own bundle, as Python finds them."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        files = [Path(paths.cafile)]
    else:
        files = sorted(path for path in Path(paths.capath).iterdir() if path.is_file()) if paths.capath else []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for file in files:
        try:
            context.load_verify_locations(file)
        except (ssl.SSLError, OSError):
            continue  # the folder of authorities may hold other things
    return context.get_ca_certs(binary_form=True)


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
