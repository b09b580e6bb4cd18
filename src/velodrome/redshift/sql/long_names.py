"""Names of more than 63 bytes, which the server inside cannot have: each has a name of its own there, shown nowhere.

"Identifiers … must be between 1 and 127 bytes in length": https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
The name inside is the beginning of the real one, a mark and a digest of the whole, and shorter than 63 bytes, so that
the catalog's own names of groups and keys have room around it. It
takes the real one's place in the text of statements before anything else is done with them, and in literals and
parameters of those that ask the catalog; what goes to a client has the real one again (wire.changed). Names that
statements may have made are kept in a file beside the server's data.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import (
    DOLLAR,
    QUOTED,
    STRING,
    WORD,
    Edit,
    LexicalError,
    Token,
    apply,
    folded,
    identifier,
    literal,
    statements,
    tokenize,
)

LONGEST, LONGEST_INSIDE = 127, 63
TOO_LONG = "42622"  # name_too_long

# The second makes the server quote a name whose real one needs quotes.
_MARKS = {True: "_velo", False: "~velo"}
MARK = re.compile(rb"[_~]velo([0-9a-f]{16})")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_PREFIX = 29
# What has a backslash in front in a pattern of LIKE: nothing, what must have one, or all that is not itself there.
_SPECIAL = (re.compile(r"(?!)"), re.compile(r"\\"), re.compile(r"[\\%_]"))

# Statements that ask the catalog by a name in a literal or parameter.
_ASKS = re.compile(r"\b(pg_|svv_|svl_|svcs_|stl_|stv_|sys_|information_schema|reg|has_|show\b)", re.IGNORECASE)
_ENDS_OF_EXECUTE = ("INTO", "USING", "LOOP")
_READS = ("SELECT", "WITH", "EXPLAIN", "FETCH", "SHOW")


class Names:
    """The long names that have been seen, by the digest in their name inside."""

    def __init__(self) -> None:
        self.known: dict[bytes, str] = {}
        self.version = 0  # goes up with each new name: what was translated before may be another now
        self._file: Path | None = None
        self._kept: set[str] = set()

    def open(self, file: Path) -> None:
        """Reads the names that were kept there, and keeps new ones there."""
        self._file = file
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                name = str(json.loads(line))
                self._kept.add(name)
                self.inside(name)

    def inside(self, name: str) -> str:
        """The name inside of a real one; raises Refused for one that is too long."""
        encoded = name.encode()
        if len(encoded) <= LONGEST_INSIDE:
            return name
        if len(encoded) > LONGEST:
            raise Refused(TOO_LONG, f'identifier "{name}" is too long; at most {LONGEST} bytes are allowed', 0)
        digest = hashlib.sha256(encoded).hexdigest()[:16]
        if digest.encode() not in self.known:
            self.known[digest.encode()] = name
            self.version += 1
        return _prefix(name) + _MARKS[_PLAIN.fullmatch(name) is not None] + digest

    def keep(self, names: Sequence[str]) -> None:
        """Writes names down that a statement may make."""
        new = [name for name in names if name not in self._kept]
        if not new or self._file is None:
            return
        self._kept.update(new)
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(name) + "\n" for name in new)
            file.flush()
            os.fsync(file.fileno())

    def real(self, value: bytes) -> bytes:
        """A text with each name inside as its real one."""
        parts: list[bytes] = []
        at = 0
        for found in MARK.finditer(value):
            name = self.known.get(found[1])
            if name is None:
                continue
            prefix = _prefix(name).encode()
            start = found.start() - len(prefix)
            if start < at or value[start : found.start()] != prefix:
                continue
            parts += (value[at:start], name.encode())
            at = found.end()
        return b"".join([*parts, value[at:]]) if parts else value

    def asked(self, text: str) -> str:
        """A text with each long name that is known as its name inside, as a pattern of LIKE too."""
        for name in sorted(self.known.values(), key=len, reverse=True):  # one may be the beginning of another
            for special in _SPECIAL:
                written = special.sub(r"\\\g<0>", name)
                if written in text:
                    text = text.replace(written, special.sub(r"\\\g<0>", self.inside(name)))
        return text

    def asked_bytes(self, value: bytes) -> bytes:
        """The same for a parameter; what is no text stays as it is."""
        if len(value) <= LONGEST_INSIDE:
            return value
        try:
            return self.asked(value.decode()).encode()
        except UnicodeDecodeError:
            return value


NAMES = Names()


def _prefix(name: str) -> str:
    return name.encode()[:_PREFIX].decode(errors="ignore")


def asks(sql: str) -> bool:
    """Whether a statement's literals and parameters may be names."""
    return bool(NAMES.known) and _ASKS.search(sql) is not None


def shortened(sql: str, tokens: Sequence[Token]) -> str | None:
    """The text with names inside for all long ones; None if it has none."""
    edits = _edits(sql, tokens, asks(sql))
    if not edits:
        return None
    made = [name for name, _ in edits if name]
    if any(_makes(part) for part in statements(tokens)):
        NAMES.keep(made)
    return apply(sql, 0, len(sql), [edit for _, edit in edits])


def _makes(part: Sequence[Token]) -> bool:
    """Whether a statement may make something that keeps its name."""
    return part[0].word not in _READS or any(token.word == "INTO" for token in part)


def _edits(sql: str, tokens: Sequence[Token], asks_catalog: bool, *, body: bool = False) -> list[tuple[str, Edit]]:
    found: list[tuple[str, Edit]] = []
    for at, token in enumerate(tokens):
        if token.end - token.start <= LONGEST_INSIDE // 4:  # no letter has more than four bytes
            continue
        if token.kind in (WORD, QUOTED):
            name = token.value
            if len(name.encode()) > LONGEST_INSIDE:
                found.append((name, Edit(token.start, token.end, identifier(_inside(name, token)))))
        elif token.kind == STRING and body and _is_executed(tokens, at):
            found += _of_literal(token, asks_catalog)
        elif token.kind == STRING and asks_catalog and len(token.text) > LONGEST_INSIDE // 4:
            text = NAMES.asked(token.value)
            if text != token.value:
                found.append(("", Edit(token.start, token.end, literal(text))))
        elif token.kind == DOLLAR and len(token.text) > LONGEST_INSIDE and tokens[0].word == "CREATE":  # a body
            opening = token.text.index("$", 1) + 1
            text = token.text[opening:-opening]
            try:
                inner = _edits(text, tokenize(text), asks_catalog, body=True)
            except LexicalError:
                continue  # who reads it as a body says what is wrong
            shift = token.start + opening
            found += [(name, Edit(edit.start + shift, edit.end + shift, edit.text)) for name, edit in inner]
    return found


def _is_executed(tokens: Sequence[Token], at: int) -> bool:
    """Whether a literal is the whole text of an EXECUTE. What is put together is read when it runs
    (dynamic.py)."""
    ended = at + 1 == len(tokens) or tokens[at + 1].text == ";" or tokens[at + 1].word in _ENDS_OF_EXECUTE
    return at > 0 and tokens[at - 1].word == "EXECUTE" and ended


def _of_literal(token: Token, asks_catalog: bool) -> list[tuple[str, Edit]]:
    try:
        inner = _edits(token.value, tokenize(token.value), asks_catalog)
    except LexicalError:
        return []
    if not inner:
        return []
    text = apply(token.value, 0, len(token.value), [edit for _, edit in inner])
    return [
        ("", Edit(token.start, token.end, literal(text))),
        *((name, Edit(token.end, token.end, "")) for name, _ in inner),
    ]


def _inside(name: str, token: Token) -> str:
    try:
        return NAMES.inside(name)
    except Refused as refused:
        raise Refused(refused.code, refused.message, token.start) from None


def of_login(name: str) -> str:
    """A user's or database's name as the server inside has it."""
    return NAMES.inside(folded(name)) if LONGEST_INSIDE < len(name.encode()) <= LONGEST else name
