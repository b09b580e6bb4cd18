"""Passwords and keys that a statement's text holds: shown as '***' wherever the text goes, and in no error.

Redshift logs them so: https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_USER.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# One of them is in every name of a secret below.
_WORDS = ("password", "access_key", "token", "credentials", "symmetric_key")
_GAP = r"(?:\s|/\*.*?\*/|--[^\n\r]*[\n\r])*"
_BEFORE = (
    r"\b(?:password|secret_access_key|access_key_id|session_token|token|credentials|master_symmetric_key)"
    rf"(?:{_GAP}=)?(?:{_GAP}\bas\b)?{_GAP}"
)
_STRING = r"'(?:[^'\\]|''|\\.)*'"
# A secret after its word, or another string, which is passed over as a whole.
_SECRET = re.compile(
    rf"""(?P<before>{_BEFORE})(?P<secret>[en]?{_STRING}?|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)|"(?:[^"]|"")*"?)|{_STRING}""",
    re.IGNORECASE | re.DOTALL,
)
_INSIDE = re.compile(rf"({_BEFORE})''(.*?)''", re.IGNORECASE | re.DOTALL)  # of a string that holds SQL
_PARTS = re.compile(r"[;=&,\s'\"]+")  # of CREDENTIALS 'aws_access_key_id=…;aws_secret_access_key=…'
_SHORTEST = 4  # of what is looked for in an error: shorter ones would be found in any word


def masked(text: str) -> str:
    """The text with '***' in the place of its secrets."""
    lower = text.lower()
    return _SECRET.sub(_mask, text) if any(word in lower for word in _WORDS) else text


def _mask(found: re.Match[str]) -> str:
    if found["before"] is not None:
        return f"{found['before']}'***'"
    return _INSIDE.sub(r"\1''***''", found.group())


def without_secrets(fields: Mapping[str, str], text: str) -> dict[str, str]:
    """An error's fields without the secrets of the statement that it is about, and without the place in it (P), at
    which clients show the statement's line."""
    lower = text.lower()
    secrets = sorted(_secrets(text), key=len, reverse=True) if any(word in lower for word in _WORDS) else []
    found = dict(fields)
    for secret in secrets:
        found = {key: value.replace(secret, "***") for key, value in found.items() if key != "P"}
    return found


def _secrets(text: str) -> set[str]:
    found: set[str] = set()
    for match in _SECRET.finditer(text):
        values = [match["secret"]] if match["before"] is not None else [each[1] for each in _INSIDE.findall(match[0])]
        for value in values:
            inner = value[value.find("'") + 1 :].strip("'\"$")
            parts = _PARTS.split(inner)
            # What stands before the first = of a list of credentials is a name.
            found |= {inner, inner.replace("''", "'"), *(parts[1::2] if len(parts) > 1 else parts)}
    return {secret for secret in found if len(secret) >= _SHORTEST}
