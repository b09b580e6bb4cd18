"""One call of a function of aws_s3, as the extension passes it on, and the files by which its result goes back.

All files lie in `s3pipe.d`, a private folder in the server's data folder, where COPY's programs run.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode

FOLDER = "s3pipe.d"


class Request:
    """Where to read or write, in whose name, and for which backend."""

    def __init__(self, config: str, profile: str, import_role: str, export_role: str, verb: str, call: str) -> None:
        self.config, self.profile, self.verb = config, profile, verb
        self.import_role, self.export_role = import_role, export_role
        fields = json.loads(b64decode(call))
        self.job, self.backend = str(fields["job"]), int(fields["backend"])
        self.bucket: str = fields["bucket"]
        self.key: str = fields["key"]
        self.region: str = fields.get("region") or ""
        self.kms_key: str = fields.get("kms_key") or ""
        self.part = int(fields.get("part") or 1)
        self.first = int(fields.get("first") or 1)
        self.with_credentials = bool(fields.get("with_credentials"))

    @classmethod
    def parse(cls, arguments: list[str]) -> Request:
        """From the command line; the folder is made if it is missing."""
        request = cls(*arguments)
        # Not by pathlib, here and below: it costs more to import than this program has.
        os.makedirs(FOLDER, 0o700, exist_ok=True)  # noqa: PTH103
        return request

    @property
    def role(self) -> str:
        """The role of the instance for this feature (s3Export or s3Import); empty without one."""
        return self.export_role if self.verb == "put" else self.import_role

    @property
    def feature(self) -> str:
        """As RDS calls it when a role is associated.

        https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_AddRoleToDBInstance.html
        """
        return "s3Export" if self.verb == "put" else "s3Import"

    # -- the result -------------------------------------------------------------------------------------------------

    def result(self, **fields: object) -> None:
        """Replaces the file of the backend's last call, so that they do not add up."""
        write_private(f"{FOLDER}/{self.backend}.json", json.dumps({"job": self.job, **fields}))

    # -- the socket by which an export's uploads are told how it ended ------------------------------------------------

    def address(self, part: int) -> str:
        """Short, and relative to FOLDER: the folder's own path may be longer than a socket's may be."""
        return f"{self.backend}.{self.job[:8]}.{part}.sock"

    # -- credentials given in the call --------------------------------------------------------------------------------

    def keep_credentials(self, text: bytes) -> None:
        """What the server sends on standard input, base64 of JSON: never on a command line, in SQL or a log."""
        write_private(f"{FOLDER}/{self.job}.keys", b64decode(text).decode())

    def take_credentials(self) -> dict[str, str]:
        """What `keep` wrote, once: the file is gone before it is used."""
        path = f"{FOLDER}/{self.job}.keys"
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            os.unlink(path)  # noqa: PTH108
            found: dict[str, str] = json.load(file)
        return found


def write_private(path: str, text: str) -> None:
    """Whole or not at all, for nobody else to read."""
    draft = f"{path}.{os.getpid()}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    os.replace(draft, path)  # noqa: PTH105


def alive(process: int) -> bool:
    """Whether a process of this number is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
