"""What a setting may be: its kinds, each with the words that a refusal says, and the check of a value.

A value is one line of printable text unless its kind says otherwise: it goes into files, command lines and headers.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Kind:
    """`what` completes "… is not"; `holds` says whether a value is one. `lines`: whether it may be of several lines."""

    what: str
    holds: Callable[[str], bool]
    lines: bool = False

    def problem(self, value: str) -> str:
        """Why this value cannot be one of the kind, as the end of a sentence; empty when it can."""
        allowed = "\n\t" if self.lines else ""
        if odd := next((sign for sign in value if not (sign.isprintable() or sign in allowed)), ""):
            name = "a line break" if odd in "\r\n" else f"the control character {odd!r}"
            return f"holds {name}; it must be {self.what}"
        return "" if self.holds(value) else f"is not {self.what}"


def _matches(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern)
    return lambda value: found.fullmatch(value) is not None


def whole(least: int, most: int) -> Kind:
    """A whole number in decimal digits, within bounds."""
    digits = _matches(r"-?[0-9]{1,20}")
    return Kind(f"a whole number from {least} to {most}", lambda value: digits(value) and least <= int(value) <= most)


def number(most: float) -> Kind:
    """A number above zero, as people write one."""
    plain = _matches(r"[0-9]{1,15}(\.[0-9]{1,15})?|\.[0-9]{1,15}")
    return Kind(f"a number above 0, up to {most:g}", lambda value: plain(value) and 0 < float(value) <= most)


def choice(*values: str) -> Kind:
    """One of a few words; an empty one among them is called so."""
    words = [value or "empty" for value in values]
    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", lambda value: value in values)


def name(pattern: str, what: str) -> Kind:
    """A name that a pattern describes."""
    return Kind(what, _matches(pattern))


def _is_url(*schemes: str) -> Callable[[str], bool]:
    def holds(value: str) -> bool:
        try:
            parts = urlsplit(value)
            # `port` raises where it is none.
            return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and " " not in value
        except ValueError:
            return False

    return holds


def _is_host(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        labels = value.removesuffix(".").split(".")
        fits = _matches(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
        # A last label of digits alone is an address that was mistyped.
        return len(value) <= 253 and all(map(fits, labels)) and not labels[-1].isdigit()
    return True


def _is_here(value: str) -> bool:
    """Whether a server can listen on this address of this machine."""
    try:
        address = ipaddress.IPv4Address(value)
        with socket.socket() as probe:
            probe.bind((str(address), 0))
    except (ValueError, OSError):
        return False
    return True


def _is_time_zone(value: str) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9_+/-]+", value):
        return False
    known = zoneinfo.available_timezones()
    # A machine without zone data (TZPATH, tzdata) cannot tell: the database, which has its own, will.
    return not known or value in known


# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_MaximumAllowedResources.html
_CAPACITY = {
    "cpu": r"[1-9][0-9]*\s?(vCPU|vcpu|VCPU)?",
    "memory": r"[1-9][0-9]*\s?(GB|gb|gB|Gb)?",
    "disk": r"[1-9][0-9]*\s?(GB|gb|gB|Gb)",
}


def _is_capacity(value: str) -> bool:
    try:
        found = json.loads(value)
    except ValueError:
        return False
    return (
        isinstance(found, dict)
        and {"cpu", "memory"} <= found.keys() <= _CAPACITY.keys()
        and all(isinstance(size, str) and len(size) <= 15 for size in found.values())
        and all(re.fullmatch(_CAPACITY[part], size) for part, size in found.items())
    )


def _is_bucket(value: str) -> bool:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
    shaped = re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value) and ".." not in value
    reserved = value.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or value.endswith(
        ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
    )
    return bool(shaped) and not reserved and not re.fullmatch(r"[0-9]+(\.[0-9]+){3}", value)


def _is_folder(value: str) -> bool:
    path = Path(value).expanduser()
    # Both end a path where paths are listed: PATH, class paths, mounts of containers, supervisord's file.
    return bool(value.strip()) and not set(':"') & set(value) and not (path.exists() and not path.is_dir())


TEXT = Kind("one line of text", lambda value: True)
PORT = Kind("a port, a whole number from 1 to 65535", whole(1, 65535).holds)
BOOLEAN = choice("true", "false")
HTTP_URL = Kind("a URL: http://host:port or https://host:port", _is_url("http", "https"))
DATABASE_URL = Kind("a SQLAlchemy URL: postgresql+psycopg2://…", _is_url("postgresql", "postgresql+psycopg2"))
HOST = Kind("a host's name or address", _is_host)
ADDRESS = Kind("an IPv4 address of this machine (127.0.0.1, say)", _is_here)
TIME_ZONE = Kind("a time zone of the tz database (UTC, Europe/Berlin, …)", _is_time_zone)
CAPACITY = Kind('JSON of a capacity: {"cpu": "16 vCPU", "memory": "64 GB"}', _is_capacity, lines=True)
FOLDER = Kind('a folder (one without : and " in its path)', _is_folder)
FILE = Kind("a file's path", lambda value: not Path(value).is_dir())
BUCKET = Kind("a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens", _is_bucket)
_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
_NAMED = "a letter, then letters, digits and _, 63 at most"


def _free(what: str, *taken: str) -> Kind:
    """A name that none of those is which the service itself has."""
    fits = _matches(_IDENTIFIER)
    return Kind(
        f"{what}: {_NAMED}; {', '.join(taken)} and pg_… are the service's own",
        lambda value: fits(value) and value.lower() not in taken and not value.lower().startswith("pg_"),
    )


# Databases and users as RDS and Redshift have them, and what they reserve:
# https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
# https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_CreateNamespace.html
DATABASE = _free("a database's name", "template0", "template1", "rdsadmin", "padb_harvest")
RDS_USER = _free("a user's name", "rdsadmin", "rds_superuser", "public")
REDSHIFT_USER = _free("a user's name", "rdsdb", "public")
# https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_CreateWorkgroup.html
WAREHOUSE_NAME = name(r"[a-z0-9-]{3,64}", "a name of 3 to 64 lower-case letters, digits and hyphens")
ROLE_ARN = name(
    r"arn:aws[a-zA-Z0-9-]*:iam::[0-9]{12}:role/([\x21-\x7e]+/)?[\w+=,.@-]+",
    "a role's ARN: arn:aws:iam::000000000000:role/name",
)
RELEASE_LABEL = name(r"[A-Za-z0-9._/-]{1,64}", "a release label: emr-spark-8.0.0, say")
REGION = name(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}", "a region: us-east-1, say")
ACCOUNT = name(r"[0-9]{12}", "an account: 12 digits")
PERSON = name(r"[A-Za-z0-9._@+-]{1,64}", "a user's name: letters, digits and ._@+-, 64 at most")
KEY = name(r"[A-Za-z0-9/+=._~-]{1,128}", "a key: letters, digits and /+=._~-, 128 at most")
