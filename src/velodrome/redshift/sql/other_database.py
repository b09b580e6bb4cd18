"""database.schema.table of another database: read there through a foreign table, which is made or renewed before.

Names of the session's own database are left alone: the server inside takes them. It refuses other names where they
cannot be read so (what is written, views with their schema bound) in the words of PostgreSQL 8.0, also Redshift's.
https://docs.aws.amazon.com/redshift/latest/dg/cross-database-overview.html (catalog/26_other_databases.sql)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from velodrome.redshift.sql.refuse import UNSUPPORTED, Refused
from velodrome.redshift.sql.tokens import QUOTED, WORD, Edit, Token, identifier, literal, vocabulary, words

# "You can only create late-binding and materialized views on objects of other databases in the cluster":
# https://docs.aws.amazon.com/redshift/latest/dg/cross-database_limitation.html
LATE_BINDING = ("WITH", "NO", "SCHEMA", "BINDING")

_THREE_PARTS = re.compile(r"""[\w"]\.[\w"][^.\s]*\.[\w"]""")
_SCHEMA_OF = re.compile(r"""\bSCHEMA\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:"[^"]*"|[\w$]+)\s*(?:\.|,)""", re.IGNORECASE)
_READING = vocabulary("SELECT WITH INSERT UPDATE DELETE MERGE CREATE EXPLAIN DECLARE (")
_END_OF_FROM = vocabulary(
    "WHERE GROUP HAVING ORDER LIMIT OFFSET UNION INTERSECT EXCEPT MINUS QUALIFY ON USING SET WHEN"
)
_FROM_INSIDE = vocabulary("EXTRACT TRIM BTRIM SUBSTRING OVERLAY")
_NO_ALIAS = _END_OF_FROM | vocabulary("JOIN INNER LEFT RIGHT FULL CROSS NATURAL START CONNECT PIVOT UNPIVOT WITH FOR")


def may_be_in(sql: str) -> bool:
    """Whether a text has a name with a database in front, as far as a glance tells."""
    return _THREE_PARTS.search(sql) is not None or _SCHEMA_OF.search(sql) is not None


_ABOUT_SCHEMAS = vocabulary("CREATE DROP ALTER GRANT REVOKE COMMENT")


def own_schemas(tokens: Sequence[Token], database: str) -> list[Edit]:
    """Edits that take the session's own database from in front of a schema: CREATE SCHEMA dev.s.

    The server inside takes a database only where a schema has a table behind it. Raises Refused for another database,
    in the server's own words for a table's.
    """
    if tokens[0].word not in _ABOUT_SCHEMAS:
        return []
    edits: list[Edit] = []
    for at, token in enumerate(tokens):
        if token.word != "SCHEMA" or words(tokens, at - 1, "."):
            continue
        name = at + 1
        while name < len(tokens) and tokens[name].word in ("IF", "NOT", "EXISTS"):
            name += 1
        while _parts(tokens, name) == 2:
            if tokens[name].value != database:
                named = f"{tokens[name].value}.{tokens[name + 2].value}"
                raise Refused(
                    UNSUPPORTED, f'cross-database references are not implemented: "{named}"', tokens[name].start
                )
            edits.append(Edit(tokens[name].start, tokens[name + 2].start, ""))
            name += 4 if words(tokens, name + 3, ",") else 3
            if not words(tokens, name - 1, ","):
                break
    return edits


def is_view(tokens: Sequence[Token]) -> bool:
    """Whether a view of any kind is made."""
    return any(words(tokens, at, "VIEW") for at in range(1, min(5, len(tokens))))


def references(tokens: Sequence[Token], database: str) -> tuple[list[Edit], str]:
    """(edits that put a foreign table in the place of each such name, the statement that makes these tables)."""
    if tokens[0].word not in _READING and tokens[0].text != "(":
        return [], ""
    if is_view(tokens) and not words(tokens, len(tokens) - 4, *LATE_BINDING):
        return [], ""
    edits: list[Edit] = []
    calls: dict[str, None] = {}
    read: set[tuple[str, ...]] = set()
    places = [at for at in _relations(tokens) if _parts(tokens, at) == 3]
    for at in places:
        name = tuple(tokens[index].value for index in (at, at + 2, at + 4))
        if name[0] == database:
            continue
        local = local_name(name)
        alias = "" if _has_alias(tokens, at + 5) else f" AS {identifier(name[2])}"
        edits.append(Edit(tokens[at].start, tokens[at + 4].end, f"velodrome.{identifier(local)}{alias}"))
        calls[f"velodrome.reach({', '.join(literal(part) for part in name)})"] = None
        read |= {name, name[1:]}
    for at in range(len(tokens)):  # columns named with the database or the schema in front
        parts = _parts(tokens, at)
        if at not in places and not words(tokens, at - 1, ".") and parts in (3, 4):
            name = tuple(tokens[index].value for index in range(at, at + 2 * parts - 2, 2))
            if name in read:
                edits.append(Edit(tokens[at].start, tokens[at + 2 * parts - 4].end, identifier(name[-1])))
    return edits, f"SELECT {', '.join(calls)}" if calls else ""


def local_name(name: tuple[str, ...]) -> str:
    """What a table of another database is called in schema velodrome; a dot in a name is none between two."""
    plain = ".".join(part.replace("!", "!!").replace(".", "!d") for part in name)
    return plain if len(plain.encode()) < 64 else hashlib.sha256(plain.encode()).hexdigest()[:40]


def _relations(tokens: Sequence[Token]) -> list[int]:
    """Where the name of a relation that is read may begin: after FROM, JOIN, USING, and the commas between."""
    found: list[int] = []
    levels = [_Level()]
    for at, token in enumerate(tokens):
        level = levels[-1]
        if token.text == "(":
            opens_relation = level.listing and (at - 1 in found or tokens[at - 1].word in ("FROM", "JOIN"))
            opens_relation = opens_relation or (level.listing and tokens[at - 1].text == ",")
            levels.append(_Level(opens_relation, tokens[at - 1].word in _FROM_INSIDE))
            if opens_relation:
                found.append(at + 1)
        elif token.text == ")":
            if len(levels) > 1:
                levels.pop()
        elif token.word == "FROM":
            level.listing = not words(tokens, at - 1, "DELETE") and not level.inside
            if level.listing:
                found.append(at + 1)
        elif token.word == "JOIN" or (token.word == "USING" and not words(tokens, at + 1, "(")):
            level.listing = True
            found.append(at + 1)
        elif token.word in _END_OF_FROM or token.word == "SELECT":
            level.listing = False
        elif token.text == "," and level.listing:
            found.append(at + 1)
    return found


@dataclass
class _Level:
    """What holds between two parentheses: whether commas separate relations, and whether FROM is a function's own."""

    listing: bool = False
    inside: bool = False


def _parts(tokens: Sequence[Token], at: int) -> int:
    """Of how many parts the dotted name at a place is; 0 if there is no name."""
    parts = 0
    while at < len(tokens) and tokens[at].kind in (WORD, QUOTED):
        parts += 1
        if not words(tokens, at + 1, "."):
            break
        at += 2
    return parts


def _has_alias(tokens: Sequence[Token], at: int) -> bool:
    if at >= len(tokens):
        return False
    return tokens[at].kind == QUOTED or (tokens[at].kind == WORD and tokens[at].word not in _NO_ALIAS)
