"""The copy's own authority: what it signs is trusted by name, is made once, and its keys are private."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from velodrome import certificates
from velodrome.authorities import AUTHORITY
from velodrome.certificates import ensure_authority, server_certificate, trust_bundle
from velodrome.runtime import trust
from velodrome.settings import load

NAMES = ("localhost", "127.0.0.1")


def handshake(authorities: Path, served: certificates.ServerCertificate, name: str) -> None:
    """A TLS connection to a server with this certificate, by a client that trusts `authorities` alone."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(served.chain, served.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    server.wrap_socket(connection, server_side=True).close()
                except (ssl.SSLError, ConnectionError):
                    return  # the client refused, which the test looks at there

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            context = ssl.create_default_context(cafile=str(authorities))
            with (
                socket.create_connection(listener.getsockname()) as connection,
                context.wrap_socket(connection, server_hostname=name),
            ):
                pass
        finally:
            thread.join()


@pytest.mark.parametrize("name", NAMES)
def test_a_server_is_trusted_under_its_names(tmp_path: Path, name: str) -> None:
    handshake(ensure_authority(tmp_path), server_certificate(tmp_path, NAMES), name)


def test_no_other_name_and_no_other_authority(tmp_path: Path) -> None:
    served = server_certificate(tmp_path / "one", NAMES)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(tmp_path / "one" / AUTHORITY, served, "example.com")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|signature failure"):
        handshake(ensure_authority(tmp_path / "other"), served, "localhost")


def test_made_once_and_private(tmp_path: Path) -> None:
    first = server_certificate(tmp_path, NAMES)
    held = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert server_certificate(tmp_path, NAMES) == first
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == held
    assert {file.name for file in tmp_path.iterdir() if file.stat().st_mode & 0o077} == {
        AUTHORITY,
        "localhost.pem",
        "lock",
    }
    assert all("PRIVATE" not in file.read_text() for file in (tmp_path / AUTHORITY, first.chain))


def test_made_anew_for_other_names_and_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = server_certificate(tmp_path, NAMES).chain.read_bytes()
    after = server_certificate(tmp_path, (*NAMES, "redshift")).chain.read_bytes()
    assert after != before
    handshake(tmp_path / AUTHORITY, server_certificate(tmp_path, (*NAMES, "redshift")), "redshift")
    # As 380 days later: the server's is made anew, the authority's lasts.
    authority = ensure_authority(tmp_path).read_bytes()
    monkeypatch.setattr(certificates, "_RENEWED_BEFORE", datetime.timedelta(days=410))
    assert server_certificate(tmp_path, (*NAMES, "redshift")).chain.read_bytes() != after
    assert ensure_authority(tmp_path).read_bytes() == authority
    # And as ten years later: all of them.
    monkeypatch.setattr(certificates, "_RENEWED_BEFORE", datetime.timedelta(days=3650))
    server_certificate(tmp_path, NAMES)
    assert ensure_authority(tmp_path).read_bytes() != authority


def test_a_bundle_trusts_what_was_trusted_and_ours(tmp_path: Path) -> None:
    other = ensure_authority(tmp_path / "other").read_text()
    bundle = trust_bundle(tmp_path / "ours", [ssl.PEM_cert_to_DER_cert(other)])
    handshake(bundle, server_certificate(tmp_path / "ours", NAMES), "localhost")
    handshake(bundle, server_certificate(tmp_path / "other", NAMES), "localhost")


def test_a_folder_of_any_name_has_an_authority(tmp_path: Path) -> None:
    folder = tmp_path / ("Größenwählerverzeichnis-" * 6)
    found = x509.load_pem_x509_certificate(ensure_authority(folder).read_bytes())
    name = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert f"Velodrome, {folder}".startswith(name) and 60 <= len(name.encode()) <= 64


def test_one_file_makes_every_client_trust_this_copy_and_all_that_it_trusted_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load({"VELODROME_HOME": str(tmp_path / "a home")})
    served = server_certificate(settings.certificates, NAMES)
    file = trust.write_bundle(settings, [ensure_authority(settings.certificates).read_text()])
    handshake(file, served, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))  # what redshift_connector, dbt and httpx go by
    ours = {found["serialNumber"] for found in ssl.create_default_context().get_ca_certs()}
    assert len(ours) > 100  # Mozilla's, also where the system has none
    # Made anew in a shell that uses it already: it does not grow.
    before = len(ours)
    trust.write_bundle(settings, [ensure_authority(settings.certificates).read_text()])
    assert len({found["serialNumber"] for found in ssl.create_default_context().get_ca_certs()}) == before
    assert set(trust.environ(settings)) == set(trust.VARIABLES)
