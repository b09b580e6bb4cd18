"""How long Object Lock keeps a version.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

# mypy: disable-error-code="misc, no-any-return"

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from velodrome.s3.rules import conditions
from velodrome.s3.rules.errors import error, invalid_argument

_OF_WRITE = ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus")
LONGEST = {"Days": 36500, "Years": 100}


def default_period(request: dict[str, Any]) -> None:
    """PutObjectLockConfiguration: 1 to 36,500 days, or 1 to 100 years."""
    rule = (request.get("ObjectLockConfiguration") or {}).get("Rule") or {}
    retention = rule.get("DefaultRetention") or {}
    if not LONGEST.keys() <= retention.keys():  # one of the two, or LocalStack says so
        for name, longest in LONGEST.items():
            given = retention.get(name)
            if given is not None and given < 1:
                message = "Default retention period must be a positive integer value."
                raise error("InvalidArgument", message, ArgumentName=name)
            if given is not None and given > longest:
                raise error("InvalidArgument", "Default retention period is too large.", ArgumentName=name)


def whole_seconds(request: dict[str, Any]) -> None:
    """A version is kept until the second that is told, not for a fraction longer."""
    for holder, name in ((request, "ObjectLockRetainUntilDate"), (request.get("Retention"), "RetainUntilDate")):
        if holder and holder.get(name) is not None:
            holder[name] = holder[name].replace(microsecond=0)


def values(request: dict[str, Any]) -> None:
    """What an object is locked with as it is written: a hold that is one, a date that is to come."""
    hold, until = request.get("ObjectLockLegalHoldStatus"), request.get("ObjectLockRetainUntilDate")
    if hold not in (None, "ON", "OFF"):
        raise invalid_argument("Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold", hold)
    if until is not None and (until if until.tzinfo else until.replace(tzinfo=UTC)) <= datetime.now(UTC):
        name = "x-amz-object-lock-retain-until-date"
        raise invalid_argument("The retain until date must be in the future!", name, until.isoformat())


def of_write(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """An object that is written with a lock: only a bucket with Object Lock keeps it."""
    if not any(request.get(name) for name in _OF_WRITE):
        return
    bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
    if not bucket.object_lock_enabled:
        raise error("InvalidRequest", "Bucket is missing Object Lock Configuration")


def mode(provider: Any, context: Any, request: dict[str, Any]) -> None:
    """PutObjectRetention: governance is turned into compliance by whoever may bypass it. Raises AccessDenied."""
    bucket = provider._get_cross_account_bucket(context, request["Bucket"])[1]
    found = conditions.find(bucket, request["Key"], request.get("VersionId"))
    asked = (request.get("Retention") or {}).get("Mode")
    until = getattr(found, "lock_until", None)
    if asked != "COMPLIANCE" or until is None or until <= datetime.now(UTC):
        return
    if found is not None and found.lock_mode == "GOVERNANCE" and not request.get("BypassGovernanceRetention"):
        raise error("AccessDenied", "Access Denied because object protected by object lock.", 403)
