"""What Redshift refuses by rules of its own where PostgreSQL is more permissive: reserved words, the bounds of types,
window functions without a frame, aliases in DELETE and INSERT."""

from __future__ import annotations

from collections.abc import Sequence

from velodrome.redshift.sql.refuse import UNSUPPORTED, Refused, syntax_error
from velodrome.redshift.sql.tokens import NUMBER, QUOTED, WORD, Token, closing, name_end, split_list, vocabulary, words

# https://docs.aws.amazon.com/redshift/latest/dg/r_pg_keywords.html: those that PostgreSQL does not reserve itself.
_AMAZONS = vocabulary(
    """
    AES128 AES256 ALLOWOVERWRITE AZ64 BACKUP BLANKSASNULL BYTEDICT BZIP2 CREDENTIALS CURRENT_USER_ID DEFLATE DEFRAG
    DELTA DELTA32K EMPTYASNULL ENCODE ENCRYPT ENCRYPTION EXPLICIT GLOBALDICT256 GLOBALDICT64K GZIP IDENTITY IGNORE LUN
    LUNS LZO LZOP MINUS MOSTLY13 MOSTLY16 MOSTLY32 MOSTLY8 OFFLINE PERCENT PERMISSIONS RAW READRATIO RECOVER REJECTLOG
    RESORT RESPECT SNAPSHOT SYSDATE TAG TDES TEXT255 TEXT32K TOP TRUNCATECOLUMNS WALLET
    """
)
# Those that may stand behind AS, where PostgreSQL 8.0 takes any word it knows.
_ALSO_COLUMNS = vocabulary(
    """
    DISABLE ENABLE NEW NULLS OFF OFFSET OID OLD OPEN PARALLEL PARTITION RESTORE SYSTEM TIMESTAMP WITHOUT BINARY INTERVAL
    """
)
_FIRST_OF_CONSTRAINT = vocabulary("PRIMARY UNIQUE FOREIGN CONSTRAINT CHECK LIKE")

# https://docs.aws.amazon.com/redshift/latest/dg/c_Window_functions.html: with ORDER BY these need a frame.
_FRAMED = vocabulary(
    """
    AVG COUNT MAX MIN SUM STDDEV STDDEV_SAMP STDDEV_POP VARIANCE VAR_SAMP VAR_POP FIRST_VALUE LAST_VALUE NTH_VALUE
    """
)
_NO_FRAME = "Aggregate window functions with an ORDER BY clause require a frame clause"

# https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html, …/r_Numeric_types201.html
_LENGTHS = {
    "VARCHAR": 65535,
    "NVARCHAR": 65535,
    "VARYING": 65535,
    "CHAR": 4096,
    "CHARACTER": 4096,
    "NCHAR": 4096,
    "BPCHAR": 4096,
}
_DECIMALS = vocabulary("DECIMAL NUMERIC DEC")


def check(tokens: Sequence[Token]) -> None:
    """Raises Refused for a statement that breaks one of these rules."""
    _targets(tokens)
    creates = tokens[0].word == "CREATE" and any(words(tokens, at, "TABLE") for at in range(1, min(4, len(tokens))))
    if creates:
        _columns(tokens)
    for at, token in enumerate(tokens):
        word = token.word
        if not word:
            continue
        if word in _LENGTHS or word in _DECIMALS:
            _bounds(tokens, at)
        elif word in _AMAZONS and words(tokens, at - 1, "AS") and not _is_generated(tokens, at):
            raise syntax_error(token)
        elif word == "OVER" and words(tokens, at + 1, "("):
            _frame(tokens, at)


def _is_generated(tokens: Sequence[Token], at: int) -> bool:
    """GENERATED {BY DEFAULT | ALWAYS} AS IDENTITY."""
    return words(tokens, at - 2, "DEFAULT") or words(tokens, at - 2, "ALWAYS")


def _targets(tokens: Sequence[Token]) -> None:
    """A table's name, and no other: https://docs.aws.amazon.com/redshift/latest/dg/r_DELETE.html, …/r_INSERT_30.html"""
    start = next((at for at in range(len(tokens)) if tokens[at].word in ("DELETE", "INSERT")), None)
    if start is None or (start > 0 and tokens[0].word != "WITH"):
        return
    at = start + 1
    if words(tokens, at, "FROM") or words(tokens, at, "INTO"):
        at += 1
    if at >= len(tokens):
        return
    end = name_end(tokens, at)
    if end < len(tokens) and (tokens[end].word == "AS" or _is_name(tokens[end], tokens[start].word)):
        raise syntax_error(tokens[end])


def _is_name(token: Token, verb: str) -> bool:
    following = {"DELETE": ("USING", "WHERE"), "INSERT": ("DEFAULT", "VALUES", "SELECT", "WITH", "OVERRIDING")}
    return token.kind in (WORD, QUOTED) and token.word not in following[verb]


def _columns(tokens: Sequence[Token]) -> None:
    open_ = next((at for at, token in enumerate(tokens) if token.text == "(" or token.word == "AS"), len(tokens))
    if not words(tokens, open_, "("):
        return
    for first, _ in split_list(tokens, open_ + 1, closing(tokens, open_)):
        word = tokens[first].word
        if word in _FIRST_OF_CONSTRAINT:
            continue
        if word in _AMAZONS or word in _ALSO_COLUMNS:
            raise syntax_error(tokens[first])


def _bounds(tokens: Sequence[Token], at: int) -> None:
    token = tokens[at]
    if not words(tokens, at + 1, "(") or at + 3 >= len(tokens) or tokens[at + 2].kind != NUMBER:
        return
    first = tokens[at + 2]
    if token.word in _DECIMALS:
        _decimal(tokens, at)
        return
    longest = _LENGTHS[token.word]
    if words(tokens, at - 1, "CHARACTER") or token.word in ("VARCHAR", "NVARCHAR", "VARYING"):
        name, longest = "varchar", 65535
    else:
        name = "char"
    if first.text.isdigit() and int(first.text) > longest:
        raise Refused("22023", f"length for type {name} cannot exceed {longest}", first.start)


def _decimal(tokens: Sequence[Token], at: int) -> None:
    precision = tokens[at + 2]
    if not precision.text.isdigit():
        return
    if not 1 <= int(precision.text) <= 38:
        raise Refused("22023", f"NUMERIC precision {precision.text} must be between 1 and 38", precision.start)
    scale = tokens[at + 4] if words(tokens, at + 3, ",") and at + 4 < len(tokens) else None
    if scale is not None and scale.text.isdigit() and int(scale.text) > min(int(precision.text), 37):
        raise Refused(
            "22023", f"NUMERIC scale {scale.text} must be between 0 and {min(int(precision.text), 37)}", scale.start
        )


def _frame(tokens: Sequence[Token], over: int) -> None:
    open_ = _opening(tokens, over)
    if open_ is None or tokens[open_ - 1].word not in _FRAMED or words(tokens, open_ - 2, "."):
        return
    inside = tokens[over + 2 : closing(tokens, over + 1)]
    depth, ordered = 0, False
    for at, token in enumerate(inside):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.word == "ORDER" and words(inside, at + 1, "BY"):
            ordered = True
        elif depth == 0 and token.word in ("ROWS", "RANGE", "GROUPS") and ordered:
            return
    if ordered:
        raise Refused(UNSUPPORTED, _NO_FRAME, tokens[open_ - 1].start)


def _opening(tokens: Sequence[Token], over: int) -> int | None:
    """The parenthesis that opens the arguments of the function before OVER."""
    depth = 0
    for at in range(over - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(tokens[at].text, 0)
        if depth == 0 and tokens[at].text == "(":
            return at
        if depth == 0 and tokens[at].word not in ("IGNORE", "RESPECT", "NULLS"):
            return None
    return None
