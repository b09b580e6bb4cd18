"""Redshift's SQL into PostgreSQL's: what needs no change stays byte for byte.

A statement goes to the first rewriter that its first word has in the table and that knows it; what none knows is a
query, of which words, calls and clauses are edited where PostgreSQL has none of that name, or others (query.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from velodrome.redshift.sql import (
    append,
    cancel,
    comments,
    copy_statement,
    databases,
    ddl,
    elsewhere,
    external,
    grants,
    insert,
    long_names,
    maintenance,
    materialized_view,
    other_database,
    parameters,
    read_only,
    refuse,
    roles,
    routine,
    row_security,
    schemas,
    settings,
    show,
    signature,
    strict,
    users,
    view,
)
from velodrome.redshift.sql.copy_statement import Copy
from velodrome.redshift.sql.history_views import missing, reads_history
from velodrome.redshift.sql.query import query
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import Edit, LexicalError, Token, apply, keeps_case, statements, tokenize, words

_CACHED = 1024
LONGEST_CACHED = 100_000

# How the notes begin that go behind a statement, and that event triggers look for in the whole text: no client's own
# text has it, in a comment, literal or name.
NOTE = "/*velodrome"

Rewriter = Callable[[str, Sequence[Token]], Statement | None]

# Programs send the same statement again and again with other values in it. Where one passes unchanged, so do all that
# differ in their literals only; the statements whose literals may decide (settings, definitions) are not among them.
_SHAPED = re.compile(r"\s*+(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_LITERALS = re.compile(r"""("[^"]*")|'[^']*'|(?<![\w.])[0-9]+(?:\.[0-9]+)?(?![\w.])""")
_LONGEST_SHAPE = 4096


def translate(sql: str, database: str = "", *, sensitive: bool = False) -> tuple[Statement, ...]:
    """The statements of a text, sent to a session in this database, in which quoted names are `sensitive` to case or
    not; raises Refused."""
    note = sql.find(NOTE)
    if note >= 0:
        raise Refused(refuse.UNSUPPORTED, f'A text with "{NOTE}" is not supported by this local warehouse.', note)
    kept = keeps_case.set(sensitive)  # a SET in the text changes it
    try:
        return _once(sql, database, sensitive)
    finally:
        keeps_case.reset(kept)


def _once(sql: str, database: str, sensitive: bool) -> tuple[Statement, ...]:
    if len(sql) > LONGEST_CACHED:
        return _translate(sql, database)
    if database and not other_database.may_be_in(sql):
        database = ""
    result = _cached(sql, database, sensitive, long_names.NAMES.version)
    if isinstance(result, Refused):
        raise Refused(result.code, result.message, result.start, hint=result.hint)
    return result


@lru_cache(maxsize=_CACHED)
def _cached(sql: str, database: str, sensitive: bool, names: int) -> tuple[Statement, ...] | Refused:
    shape = _shape(sql) if not (database or sensitive) else None
    if shape is not None and shape in _unchanged:
        return (Statement(sql, source=sql),)
    try:
        found = _translate(sql, database)
    except Refused as refused:
        return refused.with_traceback(None)
    if shape is not None and len(found) == 1 and found[0].is_all_of(sql) and not found[0].reads_history:
        if len(_unchanged) >= _CACHED:
            _unchanged.clear()
        _unchanged.add(shape)
    return found


_unchanged: set[str] = set()


def _shape(sql: str) -> str | None:
    """The text with one value for all literals of a kind; None where more than a look is needed to tell what is one.

    The kind decides: `json 1` is a column and its alias, `json '1'` a value of a type."""
    if len(sql) > _LONGEST_SHAPE or "--" in sql or "/*" in sql or "\\" in sql or "$" in sql:
        return None
    if long_names.asks(sql):  # a literal may be a name that has another inside
        return None
    return _LITERALS.sub(_any_of_its_kind, sql) if _SHAPED.match(sql) else None


def _any_of_its_kind(found: re.Match[str]) -> str:
    name, text = found[1], found[0]
    if name is not None:
        return str(name)
    return "''" if text[0] == "'" else "0.0" if "." in text else "0"


def _translate(sql: str, database: str) -> tuple[Statement, ...]:
    try:
        return _read(sql, database)
    except IndexError as early:  # who reads a clause does not ask at each word whether there is another
        raise refuse.ends_early(sql) from early


def _read(sql: str, database: str) -> tuple[Statement, ...]:
    rows = insert.values(sql)
    if rows is not None:
        (head,) = _translate(sql[: rows[0]] + "(0)", database)
        return (replace(head, sql=head.sql.removesuffix("(0)") + sql[rows[0] :], source=sql),)
    try:
        tokens = tokenize(sql)
    except LexicalError as error:
        raise Refused(refuse.SYNTAX, str(error), error.position) from None
    refuse.inner_schema(tokens)
    parts = list(statements(tokens))
    short = long_names.shortened(sql, tokens)
    if short is not None:
        whole = _translate(short, database)
        sources = (sql[part[0].start : part[-1].end] for part in parts)
        return tuple(replace(each, source=source) for each, source in zip(whole, sources, strict=True))
    history = reads_history(sql)
    found: list[Statement] = []
    for part in parts:
        source = sql[part[0].start : part[-1].end]
        if history:
            missing(sql, part)
        made = _read_elsewhere(sql, part, database) if database else None
        found.append(replace(made or _statement(sql, part), source=source, reads_history=history))
        if len(parts) > 1 and part[0].word in ("SET", "RESET") and parameters.CASE_CARRIER in found[-1].sql:
            keeps_case.set(parameters.CASE_VALUES["on"] in found[-1].sql)  # for what follows in the same text
    if len(found) == 1 and found[0].is_all_of(found[0].source):
        return (replace(found[0], sql=sql),)  # nothing changed: not even the comments around it
    return tuple(found)


def _read_elsewhere(sql: str, tokens: Sequence[Token], database: str) -> Statement | None:
    """A statement that names its own database, reads another's tables, or makes or drops them; None for one that does
    none of it."""
    there = elsewhere.database(tokens)
    if there and there != database:
        made = _read_elsewhere(sql, tokens, there) or _statement(sql, tokens)
        if made.plain:
            return elsewhere.run(there, made, tokens)
    edits, before = other_database.references(tokens, database)
    edits += other_database.own_schemas(tokens, database)
    if not edits:
        return None
    text = apply(sql, tokens[0].start, tokens[-1].end, edits)
    edited = tokenize(text)
    if before and other_database.is_view(edited):
        strict.check(edited)
        late = view.rewrite(text, edited, sql[tokens[0].start : tokens[-1].end])
    else:
        late = None
    return replace(late or _statement(text, edited), before=before)


def _statement(sql: str, tokens: Sequence[Token]) -> Statement:
    refuse.command(sql, tokens)
    if not refuse.reads_catalog(tokens):
        strict.check(tokens)
    for rewriter in _REWRITERS.get(tokens[0].word, ()):
        found = rewriter(sql, tokens)
        if found is not None:
            return found
    refuse.not_carried(sql, tokens)
    makes = tokens[0].word == "CREATE"  # a view
    if refuse.reads_catalog(tokens):
        return Statement(query(sql, tokens, catalog=True, makes=makes))
    refuse.pieces(sql, tokens)
    return Statement(query(sql, tokens, makes=makes))


def _copy(sql: str, tokens: Sequence[Token]) -> Statement:
    copy = copy_statement.read(sql, tokens)
    return Statement(copy.from_stdin, copy=copy)


def _create_table(sql: str, tokens: Sequence[Token]) -> Statement | None:
    if not any(words(tokens, at, "TABLE") for at in range(1, min(4, len(tokens)))):
        return None
    edits, notes = ddl.create_table(sql, tokens)
    if refuse.reads_catalog(tokens):
        text = apply(sql, tokens[0].start, tokens[-1].end, edits)
        return Statement(query(text, tokenize(text), catalog=True, makes=True) + notes)
    refuse.pieces(sql, tokens)
    return Statement(query(sql, tokens, edits, makes=True) + notes)


def _alter_table(sql: str, tokens: Sequence[Token]) -> Statement | None:
    if not words(tokens, 1, "TABLE"):
        return None
    edits, notes = ddl.alter_table(sql, tokens)
    refuse.pieces(sql, tokens)
    return Statement(query(sql, tokens, edits) + notes)


def _delete(sql: str, tokens: Sequence[Token]) -> Statement | None:
    """FROM is optional: https://docs.aws.amazon.com/redshift/latest/dg/r_DELETE.html"""
    if words(tokens, 1, "FROM") or len(tokens) == 1:
        return None
    refuse.pieces(sql, tokens)
    return Statement(query(sql, tokens, [Edit(tokens[0].end, tokens[0].end, " FROM")]))


def _truncate(sql: str, tokens: Sequence[Token]) -> Statement:
    """ "Commits the transaction in which it is run": https://docs.aws.amazon.com/redshift/latest/dg/r_TRUNCATE.html"""
    refuse.pieces(sql, tokens)
    return Statement(query(sql, tokens), then="COMMIT")


# By a statement's first word: asked in this order, until one knows the statement.
_REWRITERS: dict[str, tuple[Rewriter, ...]] = {
    "ALTER": (
        users.rewrite,
        roles.rewrite,
        row_security.rewrite,
        row_security.alter_table,
        signature.change,
        grants.default_privileges,
        materialized_view.alter,
        append.rewrite,
        schemas.alter,
        databases.rewrite,
        external.rewrite,
        _alter_table,
    ),
    "ANALYZE": (maintenance.analyze,),
    "ANALYSE": (maintenance.analyze,),
    "ATTACH": (row_security.rewrite,),
    "CANCEL": (cancel.rewrite,),
    "COMMENT": (comments.rewrite,),
    "COPY": (_copy,),
    "CREATE": (
        users.rewrite,
        roles.rewrite,
        row_security.rewrite,
        routine.create,
        view.rewrite,
        materialized_view.create,
        schemas.create,
        databases.rewrite,
        _create_table,
    ),
    "DELETE": (_delete,),
    "DETACH": (row_security.rewrite,),
    "DROP": (row_security.rewrite, users.rewrite, roles.rewrite, signature.change, external.rewrite),
    "GRANT": (grants.rewrite,),
    "REFRESH": (materialized_view.refresh,),
    "RESET": (show.reset_use, read_only.rewrite, settings.rewrite),
    "REVOKE": (grants.rewrite,),
    "SET": (read_only.rewrite, settings.rewrite),
    "SHOW": (show.used, show.rewrite, settings.rewrite),
    "TRUNCATE": (_truncate,),
    "USE": (show.use,),
    "VACUUM": (maintenance.vacuum,),
}


def position(sql: str, start: int) -> int:
    """Where an error points, in characters from 1, as the protocol has it."""
    return min(start, len(sql)) + 1


__all__ = ["Copy", "Refused", "Statement", "position", "translate"]
