"""This copy's own certificate authority, and the certificates of its servers; made once, keys readable by their owner.

A stand-in that AWS serves with TLS cannot have AWS's certificate. It has one of an authority that exists in this copy
alone, and clients are told to trust that authority besides those of the system.
"""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import os
import ssl
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from velodrome.authorities import AUTHORITY, BUNDLE

_KEY = "authority.key"
_DAY = datetime.timedelta(days=1)
_AUTHORITY_LIFE = 3650 * _DAY
# The longest that every client takes for a server: https://support.apple.com/102028
_SERVER_LIFE = 397 * _DAY
_RENEWED_BEFORE = 30 * _DAY


@dataclass(frozen=True)
class ServerCertificate:
    """A server's key and its certificate, as PEM files."""

    key: Path
    chain: Path


def ensure_authority(folder: Path) -> Path:
    """The authority's certificate (PEM) in `folder`, made if it is not there or ends within a month.

    Several services may ask at once; one makes it. Its key lies beside it with mode 600.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate = folder / AUTHORITY
    with _Lock(folder):
        if (folder / _KEY).is_file() and _lasts(certificate):
            return certificate
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(f"Velodrome, {folder}"))])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        made = (
            _builder(name, name, key.public_key(), _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(folder / _KEY, _private(key), 0o600)
        _write(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate


def server_certificate(folder: Path, names: Sequence[str]) -> ServerCertificate:
    """A certificate of `folder`'s authority for a server of these names (hosts or addresses; the first names the
    files); the one that is there, unless it is for other names, of another authority or ends within a month."""
    authority_file = ensure_authority(folder)
    found = ServerCertificate(folder / f"{names[0]}.key", folder / f"{names[0]}.pem")
    with _Lock(folder):
        authority = x509.load_pem_x509_certificate(authority_file.read_bytes())
        if found.key.is_file() and _lasts(found.chain) and _is_for(found.chain, names, authority):
            return found
        authority_key = serialization.load_pem_private_key((folder / _KEY).read_bytes(), password=None)
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{folder / _KEY} is not a key that Velodrome made")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(names[0]))])
        made = (
            _builder(subject, authority.subject, key.public_key(), _SERVER_LIFE)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        _write(found.key, _private(key), 0o600)
        _write(found.chain, made.public_bytes(serialization.Encoding.PEM), 0o644)
    return found


def trust_bundle(folder: Path, others: Iterable[bytes]) -> Path:
    """A file with `folder`'s authority and others (DER), for clients that take one list of authorities (gRPC's
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH): what they trusted before stays trusted."""
    ours = ensure_authority(folder).read_text(encoding="ascii")
    bundle = folder / BUNDLE
    text = "".join([ours, *(ssl.DER_cert_to_PEM_cert(other) for other in others)])
    with _Lock(folder):
        _write(bundle, text.encode("ascii"), 0o644)
    return bundle


class _Lock(AbstractContextManager[None]):
    """One process at a time makes certificates in a folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "lock"

    def __enter__(self) -> None:
        self._stream = self._file.open("w")
        fcntl.flock(self._stream, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)  # clocks of containers and of their host may differ
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _common_name(text: str) -> str:
    """As much of a text as a common name may have: 64 bytes of UTF-8, however many letters these are."""
    return text.encode()[:64].decode(errors="ignore")


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _lasts(file: Path) -> bool:
    if not file.is_file():
        return False
    end = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    return end - _RENEWED_BEFORE > datetime.datetime.now(datetime.UTC)


def _is_for(file: Path, names: Sequence[str], authority: x509.Certificate) -> bool:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    signer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    owner = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return set(held) == {_general(name) for name in names} and signer.key_identifier == owner.digest


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all; nobody sees it with another mode."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)
    draft.replace(file)
