"""Bucket policies: what S3 takes as one, and whether one is public.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import fnmatch
import ipaddress
import json
import re
from typing import Any

from velodrome.s3.rules.errors import error

# Each is asked for alone or with its Not.
_NEEDED = ("Effect", "Principal", "Action", "Resource")
# Keys of conditions that keep a policy for everybody from being public, when their values are fixed.
_NARROWING = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
# Operators that hold only where the request has the key: a negated one, …IfExists and ForAllValues hold without it.
_POSITIVE = re.compile(
    "(?:foranyvalue:)?(?:stringequals|stringequalsignorecase|stringlike|arnequals|arnlike|ipaddress)", re.IGNORECASE
)
_ACCESS_POINT = re.compile(r"arn:[^:*?]+:s3:[^:]*:[0-9]{12}:accesspoint/[^$]+")
_BUCKET_OF = re.compile(r"arn:[^:]*:s3:[^:]*:[^:]*:([^/]*)(?:/.*)?", re.DOTALL)
# The widest range of addresses that is not everybody, by the version of IP.
_WIDEST = {4: 8, 6: 32}


def check(text: str, bucket: str) -> None:
    """Raises MalformedPolicy where a statement lacks an element, or has one that a bucket's policy cannot have.

    What is no JSON is the engine's to refuse.
    """
    try:
        whole = json.loads(text)
    except ValueError:
        return
    if isinstance(whole, dict) and "Statement" not in whole:
        raise _malformed("Missing required field Statement")
    for statement in statements(text):
        for name in _NEEDED:
            if name not in statement and (name == "Effect" or f"Not{name}" not in statement):
                raise _malformed(f"Missing required field {name}")
        if statement["Effect"] not in ("Allow", "Deny"):
            raise _malformed(f"Invalid effect : {statement['Effect']}")
        if statement["Effect"] == "Allow" and "NotPrincipal" in statement:
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
            raise _malformed("Allow with NotPrincipal is not allowed")
        for resource in listed(statement.get("Resource", statement.get("NotResource"))):
            found = _BUCKET_OF.fullmatch(str(resource))
            if resource != "*" and (found is None or not fnmatch.fnmatchcase(bucket, found[1])):
                raise _malformed("Policy has invalid resource")


def _malformed(message: str) -> Exception:
    return error("MalformedPolicy", message)


def statements(text: str) -> list[dict[str, Any]]:
    """A policy's statements; none of what is no policy."""
    try:
        found = json.loads(text)["Statement"]
    except (ValueError, KeyError, TypeError):
        return []
    return [one for one in listed(found) if isinstance(one, dict)]


def is_public(text: str) -> bool:
    """Whether a statement allows something to everybody, or to whom a wildcard or variable stands for.

    One public statement makes the policy public, whatever the others say.
    """
    return any(
        statement.get("Effect") == "Allow" and _for_everybody(statement) and not _narrowed(statement)
        for statement in statements(text)
    )


def _for_everybody(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    return "*" in listed(principal.get("AWS") if isinstance(principal, dict) else principal)


def _narrowed(statement: dict[str, Any]) -> bool:
    conditions = statement.get("Condition")
    if not isinstance(conditions, dict):
        return False
    return any(
        key.lower() in _NARROWING and all(_is_fixed(key.lower(), str(value)) for value in listed(values))
        for operator, tests in conditions.items()
        if _POSITIVE.fullmatch(operator) and isinstance(tests, dict)
        for key, values in tests.items()
    )


def _is_fixed(key: str, value: str) -> bool:
    if key == "aws:sourceip":
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            return False
        return network.prefixlen >= _WIDEST[network.version]
    if key == "s3:dataaccesspointarn" and _ACCESS_POINT.fullmatch(value):
        return True  # the access point's name may be a pattern while the account is fixed
    return not any(mark in value for mark in ("*", "?", "${"))


def listed(value: Any) -> list[Any]:
    """The one that stands where several could, as a list."""
    return value if isinstance(value, list) else [value]
