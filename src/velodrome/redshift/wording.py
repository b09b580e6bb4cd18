"""Redshift's words for errors that the server inside says in PostgreSQL's.

Redshift has users, groups and relations where later PostgreSQLs have roles, tables and views:
https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_USER.html, https://repost.aws/knowledge-center/redshift-permission-denied
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# SQLSTATE, what the message looks like, what it becomes; the first that fits is taken.
REPLACEMENTS: tuple[tuple[str, str, str], ...] = (
    ("42501", r"^permission denied for (?:table|(?:materialized )?view|sequence) ", "permission denied for relation "),
    ("42501", r"^must be owner of (?:table|view|materialized view|index) (.+)$", r"must be owner of relation \1"),
    ("42501", r"^permission denied to create (?:database|extension)$", "permission denied to create database"),
    ("42501", r'^new row violates row-level security policy.*for table "(.+)"$', r"permission denied for relation \1"),
    ("42601", r"""(at or near )"[a-zA-Z&]{0,2}(?:'|\$\w*\$).*"$""", "\\1\"'***'\""),  # a literal may be a secret
    ("42704", r'^role "role (.+)" does not exist$', r'role "\1" does not exist'),
    ("42704", r'^role "group (.+)" does not exist$', r'group "\1" does not exist'),
    ("42704", r'^role "(.+)" does not exist$', r'user "\1" does not exist'),
    ("42501", r'^permission denied to set role "(.+)"$', "permission denied to set session authorization"),
    ("22023", r'^role "(.+)" does not exist$', r'user "\1" does not exist'),
    ("28000", r'^role "(.+)" does not exist$', r'user "\1" does not exist'),
    ("28000", r'^role "(.+)" is not permitted to log in$', r'password authentication failed for user "\1"'),
    (
        "2D000",
        r"^invalid transaction termination$",
        "COMMIT cannot be invoked from a procedure that is executing in an atomic context.",
    ),
    ("42P16", r"^cannot drop columns from view$", "cannot change number of columns in view"),
    ("42P16", r'^cannot change name of view column ("[^"]+") to .+$', r"cannot change name of view column \1"),
    ("42P16", r'^cannot change data type of view column ("[^"]+") .+$', r"cannot change data type of view column \1"),
    (
        "23502",
        r'^null value in column "(.+)" of relation ".+" violates not-null constraint$',
        r"Cannot insert a NULL value into column \1",
    ),
    ("53300", r'^too many connections for role "(.+)"$', r'too many connections for user "\1"'),
)  # fmt: skip

_COMPILED = [(code, re.compile(pattern, re.DOTALL), text) for code, pattern, text in REPLACEMENTS]
_WORD = re.compile(r"\w+|[^\w\s]")
_OWN = re.compile(r"\bvelodrome\.")


def message(code: str, text: str) -> str:
    """An error's message (the field M) in Redshift's words."""
    for expected, pattern, replacement in _COMPILED:
        if code == expected and pattern.search(text):
            return pattern.sub(replacement, text)
    return text


def context(text: str) -> str:
    """An error's context (the field W) without the lines about functions of this warehouse's own."""
    return "\n".join(line for line in text.split("\n") if not _OWN.search(line))


def in_redshifts_words(
    fields: Mapping[str, str], changed: tuple[str, str] | None, *, hidden: bool = False
) -> dict[str, str]:
    """An error's fields for the client: in Redshift's words, pointing into the client's own text, and silent about what
    is done behind them (`hidden`: what failed is not the client's statement); `changed` is (text sent, client's)."""
    found = {key: value for key, value in fields.items() if key in "SVCMDH"} if hidden else dict(fields)
    found["M"] = message(found.get("C", ""), found.get("M", ""))
    found |= {"W": context(found["W"])} if "W" in found else {}
    if not found.get("W", "?") or _OWN.search(found.get("q", "")):
        for key in "Wqp":
            found.pop(key, None)
    if changed is not None and "P" in found:
        place = _in_clients_text(*changed, int(found.pop("P")) - 1)
        if place is not None:
            found["P"] = str(place + 1)
    return found


def _in_clients_text(sent: str, source: str, at: int) -> int | None:
    """Where the word at a place of the text sent is in the client's: the one of as many, if both have as many."""
    word = _WORD.match(sent, at)
    if word is None:
        return None
    there = [found.start() for found in _WORD.finditer(sent) if found.group() == word.group()]
    here = [found.start() for found in _WORD.finditer(source) if found.group().lower() == word.group().lower()]
    return here[there.index(at)] if len(there) == len(here) and at in there else None
