"""The text of an EXECUTE in a procedure, as it is when it runs: translated as a body's statements are.

https://docs.aws.amazon.com/redshift/latest/dg/c_PLpgSQL-statements.html (Dynamic SQL)
"""

from __future__ import annotations

from velodrome.redshift.sql import long_names, other_database, procedure_body, refuse, routine
from velodrome.redshift.sql.query import rewrites
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import LexicalError, apply, keeps_case, statements, tokenize


def translate(sql: str, database: str, *, sensitive: bool) -> str:
    """For the server inside; raises Refused."""
    kept = keeps_case.set(sensitive)
    try:
        return _translate(sql, database)
    except IndexError as early:  # as in translate.py
        raise refuse.ends_early(sql) from early
    finally:
        keeps_case.reset(kept)


def _translate(sql: str, database: str) -> str:
    try:
        tokens = tokenize(sql)
    except LexicalError as error:
        raise Refused(refuse.SYNTAX, str(error), error.position) from None
    refuse.inner_schema(tokens)
    short = long_names.shortened(sql, tokens)
    if short is not None:
        sql, tokens = short, tokenize(short)
    made: list[str] = []
    for part in statements(tokens):
        refuse.command(sql, part)
        edits, before = other_database.references(part, database)
        edits += other_database.own_schemas(part, database)
        text = apply(sql, part[0].start, part[-1].end, edits)
        edited = tokenize(text)
        made += [before] if before else []
        if procedure_body.makes_routine(edited):
            routine_ = routine.create(text, edited)
            made.append(routine_.sql if routine_ is not None else text)
            continue
        found = procedure_body.dynamic_edits(text, edited) + rewrites(text, edited)
        made.append(apply(text, 0, len(text), found))
    return "; ".join(made)
