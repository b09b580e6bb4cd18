"""Bodies of stored procedures: each statement inside is edited as one outside would be.

https://docs.aws.amazon.com/redshift/latest/dg/c_PLpgSQL-structure.html, …/c_PLpgSQL-statements.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from velodrome.redshift.sql import (
    comments,
    ddl,
    grants,
    maintenance,
    materialized_view,
    read_only,
    refuse,
    roles,
    row_security,
    schemas,
    settings,
    signature,
    strict,
    users,
)
from velodrome.redshift.sql.query import needs_whole, query, rewrites
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.statement import Statement
from velodrome.redshift.sql.tokens import (
    DOLLAR,
    QUOTED,
    STRING,
    Edit,
    LexicalError,
    Token,
    apply,
    literal,
    name_end,
    statements,
    tokenize,
    vocabulary,
    words,
)

# Redshift puts a variable where a name could be a column's too, as the PL/pgSQL of PostgreSQL 8.0 did.
_CONFLICTS = "#variable_conflict use_variable "
_NOT_IN_A_BODY = ("COPY", "UNLOAD", "VACUUM")
# What becomes another statement outside, most often a call of the warehouse's procedures, does so inside, by its first
# word.
_CALLS: dict[str, tuple[Callable[[str, Sequence[Token]], Statement | None], ...]] = {
    "ALTER": (
        users.rewrite,
        roles.rewrite,
        row_security.rewrite,
        row_security.alter_table,
        signature.change,
        grants.default_privileges,
    ),
    "ANALYSE": (maintenance.analyze,),
    "ANALYZE": (maintenance.analyze,),
    "ATTACH": (row_security.rewrite,),
    "COMMENT": (comments.rewrite,),
    "CREATE": (users.rewrite, roles.rewrite, row_security.rewrite),
    "DETACH": (row_security.rewrite,),
    "DROP": (row_security.rewrite, users.rewrite, roles.rewrite, signature.change),
    "GRANT": (grants.rewrite,),
    "REVOKE": (grants.rewrite,),
}
_EDITED = ("SET", "RESET", "REFRESH", "DELETE")
_ONE_EXPRESSION = "The body of a SQL function must be one SELECT of an expression"
_CLAUSES = vocabulary("WITH FROM INTO WHERE GROUP HAVING ORDER LIMIT UNION INTERSECT EXCEPT MINUS")
# First words of PL/pgSQL's own statements: https://docs.aws.amazon.com/redshift/latest/dg/c_PLpgSQL-statements.html
_PLPGSQL = vocabulary(
    """
    RAISE RETURN PERFORM EXIT CONTINUE GET OPEN FETCH CLOSE MOVE NULL END EXECUTE CALL COMMIT ROLLBACK CASE FOREACH
    """
)


def edits(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    """Of a procedure's body in PL/pgSQL."""
    found = [Edit(tokens[0].start, tokens[0].start, _CONFLICTS)]
    declaring = False
    for part in statements(tokens):
        edited, declaring = _part(sql, part, declaring=declaring)
        found += edited
    found += list(_rethrows(tokens))
    return found + rewrites(sql, tokens)


def function_edits(sql: str, tokens: Sequence[Token]) -> list[Edit]:
    """Of a SQL function's body, one SELECT of an expression: r_CREATE_FUNCTION.html has what it may not have."""
    found: list[Edit] = []
    for number, part in enumerate(statements(tokens)):
        if number:
            raise Refused(refuse.UNSUPPORTED, _ONE_EXPRESSION, part[0].start)
        if part[0].word not in ("SELECT", "WITH"):
            raise refuse.syntax_error(part[0])
        clause = _clause(part)
        if clause is not None:
            raise Refused(refuse.UNSUPPORTED, _ONE_EXPRESSION, clause.start)
        refuse.command(sql, part)
        refuse.pieces(sql, part)
        if needs_whole(sql, part):
            found.append(Edit(part[0].start, part[-1].end, query(sql, part)))
    return found + rewrites(sql, tokens)


def _clause(part: Sequence[Token]) -> Token | None:
    """The first word outside parentheses that makes more than an expression of a SELECT."""
    depth = 0
    for token in part:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.word in _CLAUSES:
            return token
    return None


def _part(sql: str, part: Sequence[Token], *, declaring: bool) -> tuple[list[Edit], bool]:
    """What stands between two semicolons: control words, a query or condition of theirs, and a statement, or the
    declaration of a variable; and whether the next is one."""
    found: list[Edit] = []
    at = 0
    while at < len(part):
        if part[at].word == "DECLARE" and not words(part, at + 2, "CURSOR"):
            return found + _declaration(sql, part[at + 1 :]), True
        if declaring and part[at].word != "BEGIN":
            return found + _declaration(sql, part[at:]), True
        end, first, last = _control(part, at)
        if end == at:
            return found + _statement(sql, part[at:]), False
        declaring = False
        held = part[first:last]
        found += _dynamic(held) if held and held[0].word == "EXECUTE" else _expression(sql, held)
        at = end
    return found, declaring


def _declaration(sql: str, part: Sequence[Token]) -> list[Edit]:
    if not part:
        return []
    refuse.pieces(sql, [token for token in part if token.kind != DOLLAR])
    return _tree(sql, part)


def _control(part: Sequence[Token], at: int) -> tuple[int, int, int]:
    """Where the control words that begin at a place end, and from where to where they hold a query or condition."""
    word = part[at].word or part[at].text
    if word == "<" and words(part, at, "<", "<"):
        end = next((i + 2 for i in range(at, len(part)) if words(part, i, ">", ">")), at)
        return end, end, end
    if word in ("BEGIN", "LOOP", "ELSE", "EXCEPTION"):
        return at + 1, at, at
    if word in ("IF", "ELSIF", "ELSEIF", "WHEN"):
        end = _find(part, at + 1, "THEN")
        return end + 1, at + 1, end
    if word in ("FOR", "WHILE"):
        end = _find(part, at + 1, "LOOP")
        of_rows = next((i + 1 for i in range(at, end) if part[i].word == "IN"), end) if word == "FOR" else at + 1
        return end + 1, of_rows, end
    return at, at, at


def _find(part: Sequence[Token], at: int, word: str) -> int:
    """The next of a word outside CASE … END and parentheses."""
    depth = 0
    for index in range(at, len(part)):
        depth += {"CASE": 1, "END": -1, "(": 1, ")": -1}.get(part[index].word or part[index].text, 0)
        if depth == 0 and part[index].word == word:
            return index
    raise refuse.syntax_error(part[-1])


def _expression(sql: str, part: Sequence[Token]) -> list[Edit]:
    """A query, or a value: PL/pgSQL reads `SELECT value` for it."""
    if not part or not needs_whole(sql, part):
        return []
    if part[0].word in ("SELECT", "WITH"):
        return [Edit(part[0].start, part[-1].end, query(sql, part))]
    text = "SELECT " + sql[part[0].start : part[-1].end]
    shifted = [Token(t.kind, t.text, t.start - part[0].start + 7, t.end - part[0].start + 7, t.word) for t in part]
    select = Token("word", "SELECT", 0, 6, "SELECT")
    value = query(text, [select, *shifted]).removeprefix("SELECT ")
    return [Edit(part[0].start, part[-1].end, f"({value})")]  # PL/pgSQL would take a CASE's THEN for its own


def _statement(sql: str, part: Sequence[Token]) -> list[Edit]:
    first = part[0].word
    if makes_routine(part):
        raise refuse.not_here(sql, part[0], "CREATE of a routine inside a procedure, but for the text of an EXECUTE,")
    if first in _NOT_IN_A_BODY:
        raise refuse.not_here(sql, part[0], f"{first} inside a procedure")
    if not (first in _PLPGSQL or _is_assignment(part)):
        refuse.command(sql, part)
        strict.check(part)
    for rewriter in _CALLS.get(first, ()):
        made = rewriter(sql, part)
        if made is not None:
            calls = "; ".join(text for text in (made.before, made.sql) if text)
            return [Edit(part[0].start, part[-1].end, calls)]
    if first in ("SET", "RESET"):
        return _parameter(sql, part)
    if first == "REFRESH" or (first == "CREATE" and words(part, 1, "MATERIALIZED")):
        return materialized_view.inside(sql, part)
    if words(part, 1, "SCHEMA") and first in ("CREATE", "ALTER"):
        return schemas.inside(sql, part)
    if first == "CREATE" and any(words(part, i, "TABLE") for i in range(1, min(4, len(part)))):
        # Their attributes are informational; nothing of them is noted in the catalog.
        return _with_edits(sql, part, ddl.create_table(sql, part)[0])
    if first == "ALTER" and words(part, 1, "TABLE"):
        return _with_edits(sql, part, ddl.alter_table(sql, part)[0])
    if first == "TRUNCATE":
        # "TRUNCATE issues a commit implicitly": stored-procedure-transaction-management.html
        return [Edit(part[-1].end, part[-1].end, "; COMMIT")]
    if first == "DELETE" and len(part) > 1 and not words(part, 1, "FROM"):
        return [Edit(part[0].end, part[0].end, " FROM"), *_tree(sql, part)]
    if first == "EXECUTE":
        return _dynamic(part)
    if first == "OPEN":
        at = next((at for at in range(len(part)) if words(part, at, "FOR", "EXECUTE")), None)
        if at is not None:
            return _dynamic(part[at + 1 :])
    refuse.pieces(sql, [token for token in part if token.kind != DOLLAR])
    return _tree(sql, part)


def _with_edits(sql: str, part: Sequence[Token], edits: list[Edit]) -> list[Edit]:
    """Of a table's definition, whose query may need more."""
    refuse.pieces(sql, part)
    return [Edit(part[0].start, part[-1].end, query(sql, part, edits))] if needs_whole(sql, part) else edits


def _is_assignment(part: Sequence[Token]) -> bool:
    """variable := value, also of a field of it."""
    end = name_end(part, 0)
    return words(part, end, ":=") or words(part, end, "=") or part[0].kind == QUOTED or words(part, 0, "<", "<")


def _parameter(sql: str, part: Sequence[Token]) -> list[Edit]:
    """SET and RESET mean inside what they mean outside."""
    found = read_only.rewrite(sql, part) or settings.rewrite(sql, part)
    if found.before:
        raise refuse.not_here(sql, part[0], f"{part[0].word} SESSION AUTHORIZATION inside a procedure")
    text = sql[part[0].start : part[-1].end]
    return [] if found.sql == text else [Edit(part[0].start, part[-1].end, found.sql)]


def _dynamic(part: Sequence[Token]) -> list[Edit]:
    """EXECUTE text [INTO …] [USING …]: a text that stands there is edited now, any other when it is known
    (dynamic.py)."""
    end = next((at for at, token in enumerate(part) if token.word in ("INTO", "USING")), len(part))
    text = _edited(part[1].value, part[1].start) if end == 2 and part[1].kind == STRING else None
    if text is not None:
        return [] if text == part[1].value else [Edit(part[1].start, part[1].end, literal(text))]
    if end == 1:
        return []
    return [
        Edit(part[1].start, part[1].start, "velodrome.dynamic("),
        Edit(part[end - 1].end, part[end - 1].end, ")"),
    ]


def dynamic_edits(sql: str, part: Sequence[Token]) -> list[Edit]:
    """Of a statement in such a text, which is SQL alone: nothing of PL/pgSQL's, and TRUNCATE ends no transaction."""
    if part[0].word not in _NOT_IN_A_BODY and part[0].word not in _CALLS and part[0].word not in _EDITED:
        strict.check(part)
        refuse.pieces(sql, part)
        return [Edit(part[0].start, part[-1].end, query(sql, part))] if needs_whole(sql, part) else []
    if part[0].word == "REFRESH":
        return materialized_view.inside(sql, part, call="SELECT")
    return _statement(sql, part)


def makes_routine(part: Sequence[Token]) -> bool:
    """CREATE [OR REPLACE] {FUNCTION | PROCEDURE} …"""
    at = 3 if words(part, 1, "OR", "REPLACE") else 1
    return words(part, 0, "CREATE") and (words(part, at, "FUNCTION") or words(part, at, "PROCEDURE"))


def _edited(text: str, at: int) -> str | None:
    """A text that stands there; None for one that is better read when it runs."""
    try:
        tokens = tokenize(text)
        refuse.inner_schema(tokens)
        found = rewrites(text, tokens)
        for part in statements(tokens):
            if makes_routine(part):
                return None
            found += _statement(text, part)
    except LexicalError:
        return None
    except Refused as refused:
        raise Refused(refused.code, refused.message, at, hint=refused.hint) from None
    return apply(text, 0, len(text), found)


def _tree(sql: str, part: Sequence[Token]) -> list[Edit]:
    if not needs_whole(sql, part):
        return []
    assigned = next((at for at, token in enumerate(part[:6]) if token.text in (":=", "=")), None)
    if part[0].word not in ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "PERFORM"):
        if assigned is None:
            raise refuse.not_here(sql, part[0], f"this form of {part[0].text} inside a procedure")
        return _expression(sql, part[assigned + 1 :])
    into = _into(part) if part[0].word in ("SELECT", "WITH") else None
    if into is None:
        return [Edit(part[0].start, part[-1].end, query(sql, part))]
    # PL/pgSQL takes INTO at the end too, where no grammar of SQL meets it.
    targets = sql[part[into[0]].start : part[into[1] - 1].end]
    rest = query(sql, [*part[: into[0]], *part[into[1] :]], [Edit(part[into[0]].start, part[into[1] - 1].end, "")])
    return [Edit(part[0].start, part[-1].end, f"{rest} {targets}")]


def _into(part: Sequence[Token]) -> tuple[int, int] | None:
    """From where to where INTO [STRICT] target [, …] stands; None if it is not there."""
    start = next((at for at, token in enumerate(part) if token.word == "INTO"), None)
    if start is None:
        return None
    at = start + 2 if words(part, start + 1, "STRICT") else start + 1
    while words(part, at + 1, ",") or words(part, at + 1, "."):
        at += 2
    return start, at + 1


def _rethrows(tokens: Sequence[Token]) -> Iterator[Edit]:
    """After its handler an error is thrown again: stored-procedure-trapping-errors.html."""
    blocks: list[str] = []
    for at, token in enumerate(tokens):
        if token.word in ("BEGIN", "CASE"):
            blocks.append(token.word)
        elif token.word == "EXCEPTION" and words(tokens, at + 1, "WHEN") and blocks:
            blocks[-1] = "EXCEPTION"
        elif token.word == "END" and not (words(tokens, at + 1, "IF") or words(tokens, at + 1, "LOOP")):
            ended = blocks.pop() if blocks else ""
            if ended == "EXCEPTION":
                yield Edit(token.start, token.start, "RAISE; ")
