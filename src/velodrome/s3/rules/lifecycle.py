"""Lifecycle rules: what S3 takes as one. Nothing carries them out.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from velodrome.s3.rules.errors import error, invalid_argument, malformed_xml

_ACTIONS = (
    "AbortIncompleteMultipartUpload",
    "Expiration",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransitions",
    "Transitions",
)
_TARGETS = frozenset(("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "GLACIER_IR"))
_AFTER_A_MONTH = frozenset(("STANDARD_IA", "ONEZONE_IA"))


def check(configuration: dict[str, Any] | None) -> None:
    """Raises MalformedXML, InvalidArgument or InvalidRequest; gives an ID to each rule that has none."""
    seen: set[str] = set()
    for rule in (configuration or {}).get("Rules") or []:
        rule.setdefault("ID", uuid.uuid4().hex)
        name = rule["ID"] = rule["ID"] or uuid.uuid4().hex
        if len(name) > 255:
            raise invalid_argument("ID length should not exceed allowed limit of 255", "ID", name)
        if name in seen:
            raise error("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
        seen.add(name)
        _check_rule(rule)


def _check_rule(rule: dict[str, Any]) -> None:
    # A rule's own Prefix is how rules were written before they had filters; one of the two stands there.
    if rule.get("Status") not in ("Enabled", "Disabled") or ("Filter" in rule) == ("Prefix" in rule):
        raise malformed_xml()
    if len(rule.get("Filter") or {}) > 1:
        raise malformed_xml()
    if not any(rule.get(action) for action in _ACTIONS):
        raise error("InvalidRequest", "At least one action needs to be specified in a rule")
    noncurrent = rule.get("NoncurrentVersionExpiration")
    if noncurrent is not None and not {"NewerNoncurrentVersions", "NoncurrentDays"} & set(noncurrent):
        raise malformed_xml()
    expiration = rule.get("Expiration") or {}
    if len(expiration) > 1:
        raise malformed_xml()
    for given in (expiration, *(rule.get("Transitions") or [])):
        _check_moment(given, least=1 if given is expiration else 0)
    both = (rule.get("Filter") or {}).get("And") or {}
    tags = both.get("Tags") or []
    if len({tag.get("Key") for tag in tags}) != len(tags):
        raise error("InvalidRequest", "Duplicate Tag Keys are not allowed.")
    if tags or "Tag" in (rule.get("Filter") or {}):
        _check_tagged(rule)
    _check_transitions(rule, expiration)
    _check_counts(rule)


def _check_moment(given: dict[str, Any], least: int) -> None:
    days, date = given.get("Days"), given.get("Date")
    if days is not None and days < least:
        wanted = "a positive integer" if least else "nonnegative"
        raise error("InvalidArgument", f"'Days' in the action must be {wanted}")
    if date is not None and (utc := _utc(date)) != utc.replace(hour=0, minute=0, second=0, microsecond=0):
        raise invalid_argument("'Date' must be at midnight GMT", "Date", date)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _check_tagged(rule: dict[str, Any]) -> None:
    """What has no tags of its own cannot be chosen by them."""
    if "AbortIncompleteMultipartUpload" in rule:
        raise error("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags.")
    if "ExpiredObjectDeleteMarker" in (rule.get("Expiration") or {}):
        raise error("InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags.")


def _check_transitions(rule: dict[str, Any], expiration: dict[str, Any]) -> None:
    for action, when in (("Transition", "Days"), ("NoncurrentVersionTransition", "NoncurrentDays")):
        for given in rule.get(f"{action}s") or []:
            to, days = given.get("StorageClass"), given.get(when)
            if to not in _TARGETS or ("Days" in given and "Date" in given):
                raise malformed_xml()
            if days is None and "Date" not in given:
                raise malformed_xml()
            if days is not None and days < 30 and to in _AFTER_A_MONTH:
                wanted = f"must be greater than or equal to 30 for storageClass '{to}'"
                raise error("InvalidArgument", f"'{when}' in {action} action {wanted}")
    for given in rule.get("Transitions") or []:
        if ("Date" in given and "Days" in expiration) or ("Days" in given and "Date" in expiration):
            mixed = "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule"
            raise error("InvalidRequest", f"{mixed} for filter '{_shown(rule)}'")
        for name in ("Days", "Date"):
            if name in given and name in expiration and expiration[name] <= given[name]:
                wanted = f"must be greater than '{name}' in the Transition action"
                raise error(
                    "InvalidArgument", f"'{name}' in the Expiration action for filter '{_shown(rule)}' {wanted}"
                )


def _check_counts(rule: dict[str, Any]) -> None:
    aborted = rule.get("AbortIncompleteMultipartUpload")
    if aborted is not None:
        days = aborted.get("DaysAfterInitiation")
        if days is None:
            raise malformed_xml()
        if days < 1:
            wanted = "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"
            raise error("InvalidArgument", wanted)
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    if noncurrent.get("NoncurrentDays", 1) < 1:
        wanted = "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"
        raise error("InvalidArgument", wanted)
    if noncurrent.get("NewerNoncurrentVersions", 1) < 1:
        raise error("InvalidArgument", "'NewerNoncurrentVersions' must be a positive integer")


def _shown(rule: dict[str, Any]) -> str:
    """A rule's filter as S3's messages write it."""
    found = rule.get("Filter") or {}
    found = found.get("And") or found
    tags = [*(found.get("Tags") or []), *([found["Tag"]] if "Tag" in found else [])]
    parts = [f"prefix={found.get('Prefix') or rule.get('Prefix') or ''}"] if not tags or "Prefix" in found else []
    parts += [f"tag: key={tag.get('Key')}, value={tag.get('Value')}" for tag in tags]
    return f"({' and '.join(parts)})"
