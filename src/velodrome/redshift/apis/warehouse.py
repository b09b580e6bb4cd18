"""What the APIs know of the warehouse: its names, its address, and who asks."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass, replace

from velodrome.awsapi.app import ValidationException
from velodrome.awsapi.caller import Caller
from velodrome.awsapi.parse import validation_message
from velodrome.settings import Settings

SHORTEST, LONGEST = 900, 3600  # seconds that a temporary password lasts; the first if nothing is said


@dataclass(frozen=True)
class Warehouse:
    """One workgroup in one namespace; as a cluster it is called as the workgroup."""

    workgroup: str
    namespace: str
    host: str
    port: int
    database: str
    administrator: str
    role: str
    region: str
    account: str
    created: datetime.datetime

    @classmethod
    def of(cls, settings: Settings, created: datetime.datetime) -> Warehouse:
        """As the settings have it."""
        return cls(
            settings["REDSHIFT_WORKGROUP"],
            settings["REDSHIFT_NAMESPACE"],
            settings["REDSHIFT_HOST"],
            settings.integer("REDSHIFT_PORT"),
            settings["REDSHIFT_DATABASE"],
            settings["REDSHIFT_USER"],
            settings["REDSHIFT_ROLE_ARN"],
            settings["AWS_REGION"],
            settings["AWS_ACCOUNT_ID"],
            created,
        )

    def seen_by(self, caller: Caller) -> Warehouse | None:
        """The warehouse as a call finds it: each region has it, with ARNs of that region; accounts but its own do
        not."""
        return replace(self, region=caller.region) if caller.account == self.account else None

    def id(self, kind: str, name: str) -> str:
        """The same for the same name, whenever the warehouse was made."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.arn(kind, name)))

    def arn(self, kind: str, name: str, service: str = "redshift-serverless") -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{kind}/{name}"


def duration(seconds: int | None, member: str) -> int:
    """How long a password lasts; raises what AWS says of a time that it does not give."""
    if seconds is None:
        return SHORTEST
    if not SHORTEST <= seconds <= LONGEST:
        bound = f"greater than or equal to {SHORTEST}" if seconds < SHORTEST else f"less than or equal to {LONGEST}"
        raise ValidationException(
            validation_message(
                [f"Value '{seconds}' at '{member}' failed to satisfy constraint: Member must have value {bound}"]
            )
        )
    return seconds
