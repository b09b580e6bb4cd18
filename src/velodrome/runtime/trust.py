"""What clients trust: this copy's own authority beside all that they trusted before, in one file for all of them."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import certifi

from velodrome.authorities import BUNDLE, system_certificates
from velodrome.env_file import write_private
from velodrome.settings import Settings

# Python's ssl (redshift_connector, dbt, psycopg, httpx), requests, curl, and gRPC (Spark Connect).
VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")


def bundle(settings: Settings) -> Path:
    """The file. It outlives `reset`: a shell that names it must still reach the package index."""
    return settings.home / "trust.pem"


def write_bundle(settings: Settings, authorities: Iterable[str]) -> Path:
    """Make the file anew from authorities (PEM) of this copy, Mozilla's (certifi) and the system's."""
    others = "".join(ssl.DER_cert_to_PEM_cert(found) for found in system_certificates())
    write_private(bundle(settings), "".join([*authorities, certifi.contents(), others]))
    return bundle(settings)


def environ(settings: Settings) -> dict[str, str]:
    """The variables that make clients trust this copy; none before there is such a file. Services that run without
    the console make one with the system's authorities alone."""
    file = next((file for file in (bundle(settings), settings.certificates / BUNDLE) if file.is_file()), None)
    return dict.fromkeys(VARIABLES, str(file)) if file else {}
