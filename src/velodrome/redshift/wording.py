"""Redshift's words for errors that the server inside says in PostgreSQL's.

Redshift has users, groups and relations where later PostgreSQLs have roles, tables and views:
https://docs.aws.amazon.com/redshift/latest/dg/r_DROP_USER.html, https://repost.aws/knowledge-center/redshift-permission-denied
"""

from __future__ import annotations

import re

# SQLSTATE, what the message looks like, what it becomes; the first that fits is taken.
REPLACEMENTS: tuple[tuple[str, str, str], ...] = (
    ("42501", r"^permission denied for (?:table|(?:materialized )?view|sequence) ", "permission denied for relation "),
    ("42501", r"^must be owner of (?:table|view|materialized view|index) (.+)$", r"must be owner of relation \1"),
    ("42501", r"^permission denied to create (?:database|extension)$", "permission denied to create database"),
    ("42501", r'^new row violates row-level security policy.*for table "(.+)"$', r"permission denied for relation \1"),
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
    ("53300", r'^too many connections for role "(.+)"$', r'too many connections for user "\1"'),
)  # fmt: skip

_COMPILED = [(code, re.compile(pattern, re.DOTALL), text) for code, pattern, text in REPLACEMENTS]
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
