"""What LocalStack is started with: its port, its folders, its environment."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from velodrome.awsapi import profile as profiles
from velodrome.awsapi.keys import of_profile
from velodrome.settings import Settings

# What the ready.d hooks read, beside the folder names below.
HOOK_SETTINGS = (
    "VELODROME_HOME",
    "DATASET",
    "AWS_REGION",
    "AWS_ACCOUNT_ID",
    "S3_ENDPOINT_URL",
    "SOURCE_BUCKET",
    "RAW_BUCKET",
    "PROCESSED_BUCKET",
    "LOG_BUCKET",
    "RDS_IMPORT_ROLE_ARN",
    "RDS_EXPORT_ROLE_ARN",
    "EMR_RUNTIME_ROLE_ARN",
    "REDSHIFT_ROLE_ARN",
)


class StartError(RuntimeError):
    """S3 cannot start; the message names the setting to change."""


def data_folder(settings: Settings) -> Path:
    """Where this copy's LocalStack keeps everything."""
    return settings.home / "data" / "s3"


def take_port(host: str, port: int) -> socket.socket:
    """Bind and listen before LocalStack loads: it would print `Ready.` on a port that another program holds."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Connections of a killed predecessor linger in TIME_WAIT and would keep the port for a minute.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Nagle's algorithm would hold back the later of a response's small writes. Accepted sockets inherit this.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"port {port} is taken by another program; set S3_PORT to a free one") from None
        raise StartError(f"cannot listen on {host}:{port} (S3_PORT): {error.strerror}") from error
    return listener


def take_folder(folder: Path) -> int:
    """Lock the data folder and return the lock's descriptor: a second server in it would delete this one's objects."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StartError(f"{folder} is in use by another S3; set VELODROME_HOME to another folder") from None
    return lock


def hooks_folder(settings: Settings) -> Path:
    """The folder with ready.d: what S3 is filled with at every start."""
    folder = settings.project / "localstack"
    if not (folder / "ready.d").is_dir():
        raise StartError(f"there is no {folder / 'ready.d'}; set VELODROME_PROJECT to the project's folder")
    return folder


def environment(settings: Settings) -> dict[str, str]:
    """LocalStack's whole environment. Nothing is inherited: a variable of the user's could change address or store.
    Raises ProfileError.

    https://docs.localstack.cloud/references/configuration/
    """
    folder = data_folder(settings)
    profile = profiles.load(settings.path("AWS_CONFIG_FILE"), settings["AWS_PROFILE"])
    own = of_profile(profile, settings["AWS_ACCOUNT_ID"]).own
    address = f"{settings['LISTEN_ADDRESS']}:{settings.integer('S3_PORT')}"
    return {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.defpath)),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        # glibc gives each of up to a thousand request threads a heap of its own otherwise.
        "MALLOC_ARENA_MAX": "2",
        # Python's, plux's and LocalStack's own caches and temporary files. TEMP, since LocalStack warns of TMPDIR.
        "HOME": str(folder / "home"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "TEMP": str(folder / "tmp"),
        # Without these two it writes to /var/lib and /etc.
        "OVERRIDE_IN_DOCKER": "0",
        "FILESYSTEM_ROOT": str(folder / "root"),
        # No name server, no analytics, no certificate from the internet: nothing leaves this machine.
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "GATEWAY_LISTEN": address,
        # The default, localhost.localstack.cloud, would be looked up in DNS by whoever follows a returned URL.
        "LOCALSTACK_HOST": urlsplit(settings["S3_ENDPOINT_URL"]).netloc,
        "SERVICES": "s3,iam,sts",
        # Which pages may read an answer is the front's to say.
        "DISABLE_CUSTOM_CORS_S3": "1",
        # Ids as IAM makes them: AKIA…, ASIA….
        "PARITY_AWS_ACCESS_KEY_ID": "1",
        # Of the profile: whose requests the server believes, and what the hooks, ordinary clients of it, sign with.
        "AWS_ACCESS_KEY_ID": own.id,
        "AWS_SECRET_ACCESS_KEY": own.secret,
        "AWS_EC2_METADATA_DISABLED": "true",
        "VELODROME_PROJECT": str(settings.project),
        **{name: settings[name] for name in HOOK_SETTINGS},
    }
