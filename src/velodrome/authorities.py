"""Certificate authorities: those that this machine's Python trusts, and where a copy's own lies."""

from __future__ import annotations

import ssl
from pathlib import Path

AUTHORITY = "authority.pem"  # in a copy's folder of certificates
BUNDLE = "bundle.pem"  # beside it, with the system's authorities too


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
