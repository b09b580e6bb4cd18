"""Splits SQL text into tokens with exact positions, and applies edits that leave every other byte as it was.

Lexical rules: https://docs.aws.amazon.com/redshift/latest/dg/r_names.html. A backslash escapes inside a plain string
too, as in the PostgreSQL 8.0 that Redshift comes from; the server inside runs with standard_conforming_strings = off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

WORD, QUOTED, STRING, DOLLAR, NUMBER, PARAMETER, SYMBOL = (
    "word",
    "quoted",
    "string",
    "dollar",
    "number",
    "parameter",
    "symbol",
)

# As the server inside reads them: a comment ends at a carriage return too, blanks are those of ASCII, every
# character beyond it belongs to a name, and strings of bits have no escapes. Where the two differ, a string here is a
# statement there.
_LEXEME = re.compile(
    r"""(?P<space>[ \t\n\r\f\v]+|--[^\n\r]*)
    |(?P<comment>/\*)
    |(?P<string>[bBxX]'[^']*'|[eEnN]?'(?:[^'\\]|''|\\.)*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<dollar>\$(?P<tag>(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?)\$.*?\$(?P=tag)\$)
    |(?P<parameter>\$[0-9]+)
    |(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>\#?[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*)
    |(?P<symbol>::|:=|<=|>=|<>|!=|\|\||->>|->|@>|<@|.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class LexicalError(Exception):
    """A string, quoted name or comment that does not end; `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Token:
    """`word` is the text in capitals if it is an unquoted word, else empty: no keyword test meets a quoted name."""

    kind: str
    text: str
    start: int
    end: int
    word: str

    @property
    def value(self) -> str:
        """What a string literal or a name stands for; names in lower case, also quoted ones unless `keeps_case`."""
        if self.kind == STRING:
            inner = self.text[self.text.index("'") + 1 : -1]
            return re.sub(r"''|\\(.)", lambda found: found.group(1) or "'", inner, flags=re.DOTALL)
        if self.kind == QUOTED:
            inner = self.text[1:-1].replace('""', '"')
            return inner if keeps_case.get() or federated(inner) else folded(inner)
        return folded(self.text) if self.kind == WORD else self.text


_LETTERS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def folded(name: str) -> str:
    """A name as the catalog has it: "ASCII letters … are case-insensitive and are folded to lowercase", no others.

    https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
    """
    return name.translate(_LETTERS)


# Whether quoted names keep their case, as enable_case_sensitive_identifier has it for the session whose text is
# translated: https://docs.aws.amazon.com/redshift/latest/dg/r_enable_case_sensitive_identifier.html
keeps_case: ContextVar[bool] = ContextVar("keeps_case", default=False)


_FEDERATED = re.compile(r"(?:IAM[AR]?|AWSIDC):")


def federated(name: str) -> bool:
    """Whether a name is a user's or role's from elsewhere, which keeps its case: "IAM:user", "IAMR:role".

    https://docs.aws.amazon.com/redshift/latest/mgmt/generating-iam-credentials-overview.html
    """
    return _FEDERATED.match(name) is not None


def tokenize(sql: str) -> list[Token]:
    """All tokens of a text; blanks and comments are between them. Raises LexicalError, also where parentheses are not
    closed: who reads on may rely on it."""
    found: list[Token] = []
    at, size, depth = 0, len(sql), 0
    while at < size:
        match = _LEXEME.match(sql, at)
        if match is None:
            raise LexicalError("syntax error", at)
        kind = match.lastgroup or ""
        if kind == "tag":
            kind = DOLLAR
        end = match.end()
        if kind == "comment":
            end = _end_of_comment(sql, at)
        elif kind != "space":
            text = match.group()
            if kind == SYMBOL and text in "'\"":
                raise LexicalError("unterminated quoted " + ("string" if text == "'" else "identifier"), at)
            if kind == SYMBOL and text in "()":
                depth += 1 if text == "(" else -1
                if depth < 0:
                    raise LexicalError('syntax error at or near ")"', at)
            found.append(Token(kind, text, at, end, text.upper() if kind == WORD else ""))
        at = end
    if depth:
        raise LexicalError("syntax error at end of input", size)
    return found


def _end_of_comment(sql: str, at: int) -> int:
    depth, position = 0, at
    while edge := _COMMENT_EDGE.search(sql, position):
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
        if depth == 0:
            return position
    raise LexicalError("unterminated /* comment", at)


def statements(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The tokens of each statement; semicolons separate, empty statements are left out."""
    current: list[Token] = []
    for token in tokens:
        if token.text == ";" and token.kind == SYMBOL:
            if current:
                yield current
            current = []
        else:
            current.append(token)
    if current:
        yield current


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the characters from `start` to `end` of a text."""

    start: int
    end: int
    text: str


def apply(sql: str, start: int, end: int, edits: Iterable[Edit]) -> str:
    """The text between two positions with the edits made. Where two overlap, the one that begins first wins; what is
    put in at a place stands before what replaces the text behind it."""
    parts: list[str] = []
    at = start
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end > edit.start, -edit.end)):
        if edit.start < at:
            if edit.end > at:  # two deletions that share a piece
                at = edit.end
            continue
        parts += (sql[at : edit.start], edit.text)
        at = edit.end
    parts.append(sql[at:end])
    return "".join(parts)


def piece(sql: str, start: int, end: int, edits: Iterable[Edit]) -> str:
    """The text between two positions with those of the edits made that belong there."""
    return apply(sql, start, end, [edit for edit in edits if start <= edit.start and edit.end <= end])


def vocabulary(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def words(tokens: Sequence[Token], at: int, *expected: str) -> bool:
    """Whether these words (or symbols) stand at a place."""
    if at < 0 or at + len(expected) > len(tokens):
        return False
    for word in expected:  # called more often than anything else
        token = tokens[at]
        if (token.word or token.text) != word:
            return False
        at += 1
    return True


def closing(tokens: Sequence[Token], at: int) -> int:
    """Index of the parenthesis that closes the one at `at`; the number of tokens if none does."""
    depth = 0
    for index in range(at, len(tokens)):
        if tokens[index].kind == SYMBOL:
            depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
            if depth == 0:
                return index
    return len(tokens)


def split_list(tokens: Sequence[Token], start: int, end: int) -> list[tuple[int, int]]:
    """(first, past last) token of each item between commas, on the level of the list itself."""
    items: list[tuple[int, int]] = []
    depth, first = 0, start
    for index in range(start, end):
        text = tokens[index].text if tokens[index].kind == SYMBOL else ""
        depth += {"(": 1, ")": -1}.get(text, 0)
        if text == "," and depth == 0:
            items.append((first, index))
            first = index + 1
    if first < end:
        items.append((first, end))
    return items


def name_end(tokens: Sequence[Token], at: int) -> int:
    """Past the last token of a dotted name."""
    index = at + 1
    while words(tokens, index, ".") and index + 1 < len(tokens):
        index += 2
    return index


def name_parts(tokens: Sequence[Token], start: int, end: int) -> tuple[str, ...]:
    """schema and table of a dotted name, as the catalog has them."""
    return tuple(token.value for token in tokens[start:end] if token.kind in (WORD, QUOTED))


def literal(text: str) -> str:
    """A string literal, for a server with or without standard_conforming_strings."""
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "E" + quoted if "\\" in text else quoted


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
