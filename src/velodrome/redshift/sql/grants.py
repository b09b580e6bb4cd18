"""GRANT, REVOKE and ALTER DEFAULT PRIVILEGES: PostgreSQL's own, with Redshift's kinds of grantees.

https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html, …/r_REVOKE.html, …/r_ALTER_DEFAULT_PRIVILEGES.html
"""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql import refuse, signature
from velodrome.redshift.sql.query import query
from velodrome.redshift.sql.reader import Reader, json_literal, strings
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, Token, closing, identifier, tokenize, words

Grantees = dict[str, list[str]]

# Of tables; PostgreSQL has no rights of these names. DROP and ALTER are its owner's alone there.
_NOT_HERE_ON_TABLES = ("DROP", "ALTER")
# GRANT ALL means these: https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html
_ALL_ON_TABLES = "SELECT, INSERT, UPDATE, DELETE, REFERENCES"
_OBJECTS_NOT_HERE = ("DATASHARE", "EXTERNAL", "MODEL", "COPY", "TEMPLATE", "CATALOG")

# What a role can be given beside rights on objects: r_roles-system-privileges.html. False: not carried here.
SYSTEM_PRIVILEGES = {
    "CREATE USER": True,
    "DROP USER": True,
    "ALTER USER": True,
    "CREATE ROLE": True,
    "DROP ROLE": True,
    "GRANT ROLE": True,
    "ACCESS SYSTEM TABLE": True,
    "ACCESS CATALOG": True,
    "VACUUM": True,
    "ANALYZE": True,
    "CANCEL": True,
    "IGNORE RLS": True,
    "EXPLAIN RLS": False,
    "EXPLAIN MASKING": False,
    "CREATE SCHEMA": False,
    "DROP SCHEMA": False,
    "ALTER DEFAULT PRIVILEGES": False,
    "ALTER TABLE": False,
    "CREATE TABLE": False,
    "DROP TABLE": False,
    "ALTER DATASHARE": False,
    "CREATE DATASHARE": False,
    "DROP DATASHARE": False,
    "CREATE LIBRARY": False,
    "DROP LIBRARY": False,
    "CREATE MODEL": False,
    "DROP MODEL": False,
    "CREATE OR REPLACE EXTERNAL FUNCTION": False,
    "CREATE OR REPLACE FUNCTION": False,
    "CREATE OR REPLACE PROCEDURE": False,
    "CREATE OR REPLACE VIEW": False,
    "DROP FUNCTION": False,
    "DROP PROCEDURE": False,
    "DROP VIEW": False,
    "TRUNCATE TABLE": False,
}


def rewrite(sql: str, tokens: Sequence[Token]) -> Statement:
    """GRANT … or REVOKE …"""
    reader = Reader(sql, tokens, 1)
    if reader.sees("ROLE") or reader.sees("ADMIN", "OPTION", "FOR"):
        return _role_members(reader)
    if any(token.word == "ASSUMEROLE" for token in tokens[1:3]):
        raise reader.not_here("ASSUMEROLE")
    for at, token in enumerate(tokens):
        if token.word == "FOR" and not words(tokens, at - 1, "OPTION"):
            raise refuse.not_here(sql, token, "a scoped permission (FOR … IN)")
    on = next((at for at, token in enumerate(tokens) if token.word == "ON"), len(tokens))
    if on == len(tokens):
        return _system_privileges(reader)
    edits, grantees = _privileges(reader, on)
    edits += _edits_of_grantees(reader, grantees)
    before = f"CALL velodrome.expect_grantees({json_literal(grantees)})" if grantees else ""
    text = query(sql, tokens, edits)
    if words(tokens, on + 1, "PROCEDURE"):
        inside = tokenize(text)
        at = next(index for index, token in enumerate(inside) if token.word == "PROCEDURE")
        found = signature.on_procedure(Reader(text, inside, at + 1), text[: inside[at].end], text, inside)
        if found is not None:
            return Statement(found.sql, before=before, tag=tokens[0].word)
    return Statement(text, before=before)


def default_privileges(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """ALTER DEFAULT PRIVILEGES [FOR USER u] [IN SCHEMA s] GRANT … | REVOKE …; None for another ALTER."""
    if not words(tokens, 1, "DEFAULT", "PRIVILEGES"):
        return None
    reader = Reader(sql, tokens, 3)
    edits: list[Edit] = []
    while reader.here.word not in ("GRANT", "REVOKE"):
        if reader.ended:
            raise reader.error()
        reader.at += 1
    on = next((at for at in range(reader.at, len(tokens)) if tokens[at].word == "ON"), len(tokens))
    kind = Reader(sql, tokens, on + 1)
    edits += _privileges_before(reader, on, "TABLE" if kind.here.word == "TABLES" else kind.here.word)
    if kind.here.word == "PROCEDURES":
        edits.append(Edit(kind.here.start, kind.here.end, "ROUTINES"))
    elif kind.here.word not in ("TABLES", "FUNCTIONS", "SCHEMAS"):
        raise kind.error()
    reader.at = on + 2
    grantees: Grantees = {}
    edits += _edits_of_grantees(reader, grantees)
    return Statement(
        query(sql, tokens, edits),
        before=f"CALL velodrome.expect_grantees({json_literal(grantees)})" if grantees else "",
    )


def _privileges(reader: Reader, on: int) -> tuple[list[Edit], Grantees]:
    tokens = reader.tokens
    target = Reader(reader.sql, tokens, on + 1)
    kind = target.here.word if target.here.word in _KINDS else "TABLE"
    if target.here.word in _OBJECTS_NOT_HERE and not words(tokens, target.at + 1, "."):
        raise target.not_here(f"GRANT ON {target.here.word}")
    edits = _privileges_before(reader, on, kind)
    if kind == "LANGUAGE":
        for token in tokens[on + 2 :]:
            if token.word in ("TO", "FROM"):
                break
            if token.word and token.value not in ("sql", "plpgsql"):
                raise refuse.not_here(reader.sql, token, f"language {token.value}")
    reader.at = on + 1
    return edits, {}


_KINDS = ("TABLE", "DATABASE", "SCHEMA", "FUNCTION", "PROCEDURE", "LANGUAGE", "ALL")


def _privileges_before(reader: Reader, on: int, kind: str) -> list[Edit]:
    """Edits of the list of privileges, up to ON."""
    edits: list[Edit] = []
    tokens = reader.tokens
    for at in range(reader.at, on):
        token = tokens[at]
        if kind in ("TABLE", "ALL") and token.word in _NOT_HERE_ON_TABLES:
            raise refuse.not_here(reader.sql, token, f"the {token.word} privilege on tables")
        if kind in ("SCHEMA", "DATABASE") and token.word in ("ALTER", "DROP"):
            raise refuse.not_here(reader.sql, token, f"the {token.word} privilege on a {kind.lower()}")
        tables = kind == "TABLE" or (kind == "ALL" and words(tokens, on + 2, "TABLES"))
        if token.word == "ALL" and tables and tokens[0].word == "GRANT" and not words(tokens, at + 1, "("):
            end = tokens[at + 1].end if words(tokens, at + 1, "PRIVILEGES") else token.end
            if not (words(tokens, at + 1, "PRIVILEGES", "(")):
                edits.append(Edit(token.start, end, _ALL_ON_TABLES))
    return edits


def _edits_of_grantees(reader: Reader, grantees: Grantees) -> list[Edit]:
    """TO or FROM {user [WITH GRANT OPTION] | ROLE role | GROUP group | PUBLIC} [, …]"""
    tokens = reader.tokens
    while not reader.ended and reader.here.word not in ("TO", "FROM"):
        reader.at = closing(tokens, reader.at) + 1 if reader.sees("(") else reader.at + 1
    if reader.ended:
        raise reader.error()
    reader.at += 1
    edits: list[Edit] = []
    while True:
        start = reader.here
        if not reader.take("PUBLIC"):
            kind = reader.take_any("GROUP", "ROLE").lower() or "user"
            name = reader.name()
            grantees.setdefault(kind, []).append(name)
            inside = f"group {name}" if kind == "group" else name
            edits.append(Edit(start.start, tokens[reader.at - 1].end, identifier(inside)))
        else:
            kind = "PUBLIC"
        option = reader.at
        if reader.take("WITH", "GRANT", "OPTION") and kind != "user":
            raise Refused("0LP01", "grant options can only be granted to users", tokens[option].start)
        if not reader.take(","):
            break
        if tokens[option].word == "WITH":
            raise refuse.not_here(reader.sql, tokens[option], "WITH GRANT OPTION before further grantees")
    reader.take_any("CASCADE", "RESTRICT")
    reader.end()
    return edits


def _grantees(reader: Reader) -> Grantees:
    found: Grantees = {}
    while True:
        if reader.take("PUBLIC"):
            raise reader.not_here("granting a role to PUBLIC")
        kind = "role" if reader.take("ROLE") else "user"
        found.setdefault(kind, []).append(reader.name())
        if not reader.take(","):
            return found


def _role_members(reader: Reader) -> Statement:
    """GRANT ROLE r [, …] TO {user [WITH ADMIN OPTION] | ROLE r} [, …]; REVOKE [ADMIN OPTION FOR] ROLE …"""
    command = reader.tokens[0].word
    admin = command == "REVOKE" and reader.take("ADMIN", "OPTION", "FOR")
    roles: list[str] = []
    while True:
        reader.expect("ROLE") if not roles else reader.take("ROLE")
        roles.append(_role_name(reader))
        if not reader.take(","):
            break
    reader.expect("TO" if command == "GRANT" else "FROM")
    grantees = _grantees(reader)
    if command == "GRANT":
        admin = reader.take("WITH", "ADMIN", "OPTION")
    reader.end()
    call = f"change_role_members('{command.lower()}', {strings(roles)}, {json_literal(grantees)}, {str(admin).lower()})"
    return Statement(f"CALL velodrome.{call}", tag=command)


def _role_name(reader: Reader) -> str:
    """sys:dba and its kin stand without quotes too."""
    name = reader.name()
    if name == "sys" and reader.take(":"):
        name += ":" + reader.name()
    return name


def _system_privileges(reader: Reader) -> Statement:
    command = reader.tokens[0].word
    privileges: list[str] = []
    while True:
        where = reader.here
        # The longest first: CREATE OR REPLACE VIEW is not CREATE.
        privilege = reader.take_any(*sorted(SYSTEM_PRIVILEGES, key=len, reverse=True))
        if not privilege:
            raise reader.error()
        if not SYSTEM_PRIVILEGES[privilege]:
            raise refuse.not_here(reader.sql, where, f"the system permission {privilege}")
        privileges.append(privilege)
        if not reader.take(","):
            break
    reader.expect("TO" if command == "GRANT" else "FROM")
    names: list[str] = []
    while not names or reader.take(","):
        reader.expect("ROLE")
        names.append(_role_name(reader))
    reader.end()
    grantees = json_literal({"role": names})
    call = f"change_system_privileges('{command.lower()}', {strings(privileges)}, {grantees})"
    return Statement(f"CALL velodrome.{call}", tag=command)
