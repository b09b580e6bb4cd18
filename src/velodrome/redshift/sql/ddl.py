"""CREATE TABLE and ALTER TABLE: takes out what only Redshift knows, and notes it for the catalog.

Distribution, sort keys and encodings change no result; PRIMARY KEY, UNIQUE and FOREIGN KEY are informational there, so
duplicates go in: https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html. What is taken out travels
as a JSON comment behind the statement, where an event trigger of the server reads it (catalog/02_notes.sql).
https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_NEW.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from velodrome.redshift.sql import foreign, refuse
from velodrome.redshift.sql.tokens import (
    NUMBER,
    QUOTED,
    STRING,
    SYMBOL,
    WORD,
    Edit,
    Token,
    closing,
    identifier,
    name_end,
    name_parts,
    split_list,
    vocabulary,
    words,
)

_ATTRIBUTE_WORDS = vocabulary(
    """
    DEFAULT IDENTITY GENERATED ENCODE DISTKEY SORTKEY COLLATE NOT NULL UNIQUE PRIMARY REFERENCES CHECK
    CONSTRAINT
    """
)
_CONSTRAINT_WORDS = vocabulary("PRIMARY UNIQUE FOREIGN CONSTRAINT CHECK EXCLUDE")
_ENCODINGS = vocabulary(
    """
    AUTO RAW AZ64 BYTEDICT DELTA DELTA32K LZO MOSTLY8 MOSTLY16 MOSTLY32 RUNLENGTH TEXT255 TEXT32K ZSTD
    """
)
_NOTHING = "RESET (fillfactor)"
_DISTSTYLES = ("AUTO", "EVEN", "KEY", "ALL")

# Lengths that Redshift assumes: https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html
_CHARACTER_TYPES = {
    "VARCHAR": "varchar(256)",
    "NVARCHAR": "varchar(256)",
    "TEXT": "varchar(256)",
    "BPCHAR": "char(256)",
}
# As the catalog writes them.
_LONG_NAMES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float": "double precision",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "char": "character",
    "decimal": "numeric",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
_SAME_TYPES = {"NVARCHAR": "varchar", "NCHAR": "char", "BPCHAR": "char"}


@dataclass
class Notes:
    """What the catalog remembers of a table beside PostgreSQL's own columns."""

    table: tuple[str, ...]
    values: dict[str, object] = field(default_factory=dict)

    def add(self, key: str, value: object) -> None:
        entries = self.values.setdefault(key, [])
        if isinstance(entries, list):
            entries.append(value)

    @property
    def comment(self) -> str:
        if not self.values:
            return ""
        text = json.dumps({"table": self.table, **self.values}, ensure_ascii=True)
        # Nothing in it may end the comment, or open one inside it.
        text = text.replace("/", "\\u002f")
        return f"/*velodrome:{text}:velodrome*/"


def create_table(sql: str, tokens: Sequence[Token]) -> tuple[list[Edit], str]:
    """Edits of a CREATE TABLE, and the notes to be put behind it."""
    at = 1
    temporary = False
    while at < len(tokens) and tokens[at].word in ("LOCAL", "TEMP", "TEMPORARY"):
        temporary = True
        at += 1
    at += 1  # TABLE
    if words(tokens, at, "IF", "NOT", "EXISTS"):
        at += 3
    if at >= len(tokens):
        return [], ""
    end = name_end(tokens, at)
    notes = Notes(name_parts(tokens, at, end))
    edits: list[Edit] = []
    if tokens[at].text.startswith("#") and not temporary:
        edits.append(Edit(tokens[1].start, tokens[1].start, "TEMP "))
    temporary = temporary or tokens[at].text.startswith("#")
    is_query = words(tokens, _query_or_end(tokens, end), "AS")
    if words(tokens, end, "(") and not is_query:
        close = closing(tokens, end)
        edits += _columns(sql, tokens, end, close, notes)
        edits += table_attributes(sql, tokens, close + 1, len(tokens), notes)
    else:
        stop = _query_or_end(tokens, end)
        start = closing(tokens, end) + 1 if words(tokens, end, "(") else end
        edits += table_attributes(sql, tokens, start, stop, notes)
    if temporary:
        notes.values = {key: value for key, value in notes.values.items() if key == "like"}
    return edits, notes.comment


def _query_or_end(tokens: Sequence[Token], at: int) -> int:
    """Index of the AS before a CREATE TABLE's query; the last token's if it has none."""
    index = at
    while index < len(tokens):
        if words(tokens, index, "("):
            index = closing(tokens, index)
        elif words(tokens, index, "AS"):
            return index
        index += 1
    return len(tokens) - 1 if tokens else 0


def _columns(sql: str, tokens: Sequence[Token], open_: int, close: int, notes: Notes) -> list[Edit]:
    edits: list[Edit] = []
    items = split_list(tokens, open_ + 1, close)
    key_columns: set[str] = set()
    kept = 0
    for number, (first, end) in enumerate(items):
        if tokens[first].word in _CONSTRAINT_WORDS:
            key_columns |= _table_constraint(sql, tokens, first, end, notes)
            if number:
                edits.append(Edit(tokens[first - 1].start, tokens[end - 1].end, ""))
            elif len(items) > 1:
                edits.append(Edit(tokens[first].start, tokens[end].end, ""))
            continue
        kept += 1
        if tokens[first].word == "LIKE":
            edits += _like(tokens, first, end, notes)
        else:
            edits += column(sql, tokens, first, end, notes)
    for first, end in items:
        if tokens[first].word not in _CONSTRAINT_WORDS and tokens[first].value in key_columns:
            edits.append(Edit(tokens[end - 1].end, tokens[end - 1].end, " NOT NULL"))
    if not kept and items:
        raise refuse.syntax_error(tokens[close])
    return edits


def _like(tokens: Sequence[Token], first: int, end: int, notes: Notes) -> list[Edit]:
    """LIKE parent [{INCLUDING | EXCLUDING} DEFAULTS]; the parent's layout is the new table's too."""
    after = name_end(tokens, first + 1)
    notes.values["like"] = quoted_name(name_parts(tokens, first + 1, after))
    rest = [token.word for token in tokens[after:end]]
    if rest not in ([], ["INCLUDING", "DEFAULTS"], ["EXCLUDING", "DEFAULTS"]):
        raise refuse.syntax_error(tokens[end - 1])
    return []


def _gone(tokens: Sequence[Token], first: int, end: int) -> Edit:
    """Takes out tokens together with the blank before them."""
    start = tokens[first - 1].end if first else tokens[first].start
    return Edit(start, tokens[end - 1].end, "")


def column(sql: str, tokens: Sequence[Token], first: int, end: int, notes: Notes) -> list[Edit]:
    """One column's definition, in CREATE TABLE or ALTER TABLE … ADD COLUMN."""
    name = tokens[first].value
    at = first + 1
    while at < end and tokens[at].word not in _ATTRIBUTE_WORDS:
        at = closing(tokens, at) + 1 if words(tokens, at, "(") else at + 1
    if at == first + 1:
        raise refuse.syntax_error(tokens[min(at, end - 1)])
    edits = column_type(sql, tokens, f"{notes.table[-1]}.{name}", first + 1, at)
    while at < end:
        at = _column_attribute(sql, tokens, name, at, end, notes, edits)
    return edits


def column_type(sql: str, tokens: Sequence[Token], name: str, start: int, end: int) -> list[Edit]:
    """Gives a type the length that Redshift would give it; refuses what is no type there or here."""
    end = min(end, len(tokens))
    if start >= end or tokens[start].word == "ANY":
        raise refuse.syntax_error(tokens[min(start, len(tokens) - 1)])
    token = tokens[start]
    bare_interval = token.word == "INTERVAL" and (end == start + 1 or words(tokens, start + 1, "("))
    if token.word in foreign.FOREIGN_TYPES | foreign.COLUMNLESS_TYPES or bare_interval:
        raise refuse.unsupported_type(
            name, token, "bit varying" if words(tokens, start, "BIT", "VARYING") else token.value
        )
    bracket = next((at for at in range(start, end) if tokens[at].text == "["), None)
    if bracket is not None:
        element = " ".join(each.value for each in tokens[start:bracket])
        raise refuse.unsupported_type(name, token, _LONG_NAMES.get(element, element) + "[]")
    if token.word in foreign.MISSING_TYPES:
        raise refuse.not_here(sql, token, f"type {token.word}")
    single = end == start + 1
    if token.word in _CHARACTER_TYPES and single:
        return [Edit(token.start, token.end, _CHARACTER_TYPES[token.word])]
    if token.word in ("CHARACTER", "CHAR") and words(tokens, start + 1, "VARYING") and end == start + 2:
        return [Edit(token.start, tokens[start + 1].end, "varchar(256)")]
    if token.word == "TEXT" and not single:  # TEXT(n) is accepted and means 256
        return [Edit(token.start, tokens[end - 1].end, "varchar(256)")]
    edits = [Edit(token.start, token.end, _SAME_TYPES[token.word])] if token.word in _SAME_TYPES else []
    return edits + default_precision(tokens, start, end)


def default_precision(tokens: Sequence[Token], start: int, end: int) -> list[Edit]:
    """DECIMAL alone is DECIMAL(18,0), VARCHAR(MAX) is VARCHAR(65535).

    https://docs.aws.amazon.com/redshift/latest/dg/r_Numeric_types201.html
    """
    token = tokens[start]
    if token.word in ("DECIMAL", "NUMERIC", "DEC") and not (start + 1 < end and words(tokens, start + 1, "(")):
        return [Edit(token.end, token.end, "(18,0)")]
    if words(tokens, start + 1, "(", "MAX", ")"):
        return [Edit(tokens[start + 2].start, tokens[start + 2].end, "65535")]
    return []


def _column_attribute(
    sql: str, tokens: Sequence[Token], name: str, at: int, end: int, notes: Notes, edits: list[Edit]
) -> int:
    """Reads the attribute at a place; returns where the next one begins."""
    word = tokens[at].word
    if word == "IDENTITY":
        # Redshift refuses explicit values for IDENTITY, as PostgreSQL does for GENERATED ALWAYS.
        after, seed, step = _seed(tokens, at + 1)
        edits.append(Edit(tokens[at].start, tokens[after - 1].end, _identity("ALWAYS", seed, step)))
        notes.values |= {"identity": [name, seed, step]} | _declared_not_null(tokens, at, end)
        return after
    if words(tokens, at, "GENERATED", "BY", "DEFAULT", "AS", "IDENTITY"):
        after, seed, step = _seed(tokens, at + 5)
        edits.append(Edit(tokens[at].start, tokens[after - 1].end, _identity("BY DEFAULT", seed, step)))
        notes.values |= {"default_identity": [name, seed, step]} | _declared_not_null(tokens, at, end)
        return after
    if word == "GENERATED" or word == "CHECK":
        raise refuse.syntax_error(tokens[at])
    if word == "ENCODE":
        _encoding(tokens, at + 1, end)
        edits.append(_gone(tokens, at, at + 2))
        notes.add("encode", [name, tokens[at + 1].value])
        return at + 2
    if word in ("DISTKEY", "SORTKEY"):
        edits.append(_gone(tokens, at, at + 1))
        if word == "DISTKEY":
            notes.values |= {"diststyle": "key", "distkey": name}
        else:
            notes.values["sortkey"] = {"style": "compound", "columns": [name]}
        return at + 1
    if word == "COLLATE":
        return _collation(sql, tokens, at, end, edits)
    if word in ("PRIMARY", "UNIQUE"):
        after = at + (2 if word == "PRIMARY" else 1)
        edits.append(_gone(tokens, at, after))
        if word == "PRIMARY":  # its columns are NOT NULL all the same
            edits.append(Edit(tokens[after - 1].end, tokens[after - 1].end, " NOT NULL"))
        notes.add("constraints", {"kind": "primary key" if word == "PRIMARY" else "unique", "columns": [name]})
        return after
    if word == "REFERENCES":
        return _references(tokens, at, end, [name], notes, edits)
    if word == "DEFAULT":
        at += 1
        while at < end and (tokens[at].word not in _ATTRIBUTE_WORDS or words(tokens, at - 1, "DEFAULT")):
            at = closing(tokens, at) + 1 if words(tokens, at, "(") else at + 1
        return at
    if words(tokens, at, "NOT", "NULL"):
        return at + 2
    if word == "NULL":
        return at + 1
    raise refuse.syntax_error(tokens[at])


def _declared_not_null(tokens: Sequence[Token], at: int, end: int) -> dict[str, object]:
    """Whether an identity column is NOT NULL for Redshift too; for the server inside it always is."""
    start = at
    while start and not (tokens[start].text in ("(", ",") and tokens[start].kind == SYMBOL):
        start -= 1
    declared = any(words(tokens, index, "NOT", "NULL") for index in range(start, end))
    return {"identity_not_null": True} if declared else {}


def _seed(tokens: Sequence[Token], at: int) -> tuple[int, str, str]:
    """The (seed, step) of an identity column; 1 and 1 where none are given, as in r_CREATE_TABLE_examples.html."""
    if not words(tokens, at, "("):
        return at, "1", "1"
    close = closing(tokens, at)
    parts = ["".join(token.text for token in tokens[first:end]) for first, end in split_list(tokens, at + 1, close)]
    if len(parts) != 2 or not all(part.lstrip("-").isdigit() for part in parts):
        raise refuse.syntax_error(tokens[at + 1])
    return close + 1, parts[0], parts[1]


def _identity(kind: str, seed: str, step: str) -> str:
    bound = f" MINVALUE {seed}" if not step.startswith("-") else f" MAXVALUE {seed}"
    return f"GENERATED {kind} AS IDENTITY (START WITH {seed} INCREMENT BY {step}{bound})"


def _encoding(tokens: Sequence[Token], at: int, end: int) -> None:
    if at >= end or tokens[at].word not in _ENCODINGS:
        raise refuse.syntax_error(tokens[min(at, end - 1)])


def _collation(sql: str, tokens: Sequence[Token], at: int, end: int, edits: list[Edit]) -> int:
    value = tokens[at + 1].word if at + 1 < end else ""
    if value in ("CASE_SENSITIVE", "CS"):
        edits.append(_gone(tokens, at, at + 2))
        return at + 2
    raise refuse.not_here(sql, tokens[at], "COLLATE CASE_INSENSITIVE")


def _references(
    tokens: Sequence[Token], at: int, end: int, columns: list[str], notes: Notes, edits: list[Edit], name: str = ""
) -> int:
    after = name_end(tokens, at + 1)
    target = name_parts(tokens, at + 1, after)
    referenced: list[str] = []
    if after < end and words(tokens, after, "("):
        close = closing(tokens, after)
        referenced = [token.value for token in tokens[after + 1 : close] if token.text != ","]
        after = close + 1
    edits.append(_gone(tokens, at, after))
    noted = {"kind": "foreign key", "columns": columns, "table": target, "referenced": referenced}
    notes.add("constraints", {"name": name, **noted} if name else noted)
    return after


def _table_constraint(sql: str, tokens: Sequence[Token], first: int, end: int, notes: Notes) -> set[str]:
    """Notes a constraint; returns the columns that a primary key makes NOT NULL."""
    name = ""
    at = first
    if tokens[at].word == "CONSTRAINT":
        name = tokens[at + 1].value
        at += 2
    kind = tokens[at].word
    at += 2 if kind in ("PRIMARY", "FOREIGN") else 1
    if kind not in ("PRIMARY", "FOREIGN", "UNIQUE") or not words(tokens, at, "("):
        raise refuse.syntax_error(tokens[min(at, end - 1)])
    close = closing(tokens, at)
    columns = [token.value for token in tokens[at + 1 : close] if token.text != ","]
    if kind == "FOREIGN":
        if not words(tokens, close + 1, "REFERENCES"):
            raise refuse.syntax_error(tokens[min(close + 1, end - 1)])
        close = _references(tokens, close + 1, end, columns, notes, [], name) - 1
    else:
        notes.add(
            "constraints", {"kind": "primary key" if kind == "PRIMARY" else "unique", "name": name, "columns": columns}
        )
    if close + 1 != end:
        raise refuse.syntax_error(tokens[close + 1])
    return set(columns) if kind == "PRIMARY" else set()


def table_attributes(sql: str, tokens: Sequence[Token], at: int, end: int, notes: Notes) -> list[Edit]:
    """BACKUP, DISTSTYLE, DISTKEY (c), SORTKEY (…), ENCODE AUTO between a table's columns and its end or its AS."""
    edits: list[Edit] = []
    while at < end:
        word = tokens[at].word
        if word == "BACKUP" and at + 1 < end and tokens[at + 1].word in ("YES", "NO"):
            after = at + 2
            notes.values["backup"] = tokens[at + 1].value
        elif word == "DISTSTYLE" and at + 1 < end and tokens[at + 1].word in _DISTSTYLES:
            after = at + 2
            notes.values["diststyle"] = tokens[at + 1].value
        elif word == "ENCODE" and words(tokens, at + 1, "AUTO"):
            after = at + 2
        elif word == "DISTKEY":
            after, columns = _key_columns(tokens, at + 1)
            notes.values |= {"diststyle": "key", "distkey": columns[0]}
        elif word in ("SORTKEY", "COMPOUND", "INTERLEAVED"):
            key = at if word == "SORTKEY" else at + 1
            if not words(tokens, key, "SORTKEY"):
                raise refuse.syntax_error(tokens[min(key, end - 1)])
            if words(tokens, key + 1, "AUTO"):
                after, columns, style = key + 2, [], "auto"
            else:
                after, columns = _key_columns(tokens, key + 1)
                style = "interleaved" if word == "INTERLEAVED" else "compound"
            notes.values["sortkey"] = {"style": style, "columns": columns}
        else:
            # ON COMMIT, WITH, TABLESPACE, INHERITS … are PostgreSQL's; Redshift has a syntax error there.
            if words(tokens, end - 1, "AS") or tokens[at].kind in (NUMBER, STRING) or word not in ("AS",):
                raise refuse.syntax_error(tokens[at])
            break
        edits.append(_gone(tokens, at, after))
        at = after
    return edits


def _key_columns(tokens: Sequence[Token], at: int) -> tuple[int, list[str]]:
    if not words(tokens, at, "("):
        raise refuse.syntax_error(tokens[min(at, len(tokens) - 1)])
    close = closing(tokens, at)
    columns = [token.value for token in tokens[at + 1 : close] if token.text != ","]
    if not columns or close == len(tokens):
        raise refuse.syntax_error(tokens[min(close, len(tokens) - 1)])
    return close + 1, columns


def alter_table(sql: str, tokens: Sequence[Token]) -> tuple[list[Edit], str]:
    """ALTER TABLE: layout and informational keys are noted, columns are added as CREATE TABLE would make them.

    https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html
    """
    at = name_end(tokens, 2)
    if len(tokens) < 3 or tokens[2].kind not in (WORD, QUOTED):
        raise refuse.syntax_error(tokens[min(2, len(tokens) - 1)])
    notes = Notes(name_parts(tokens, 2, at))
    if at >= len(tokens):
        return [], ""
    if words(tokens, at, "APPEND"):  # whole, it has a rewriter of its own (append.py)
        raise refuse.syntax_error(tokens[at])
    if words(tokens, at, "ADD") and at + 1 < len(tokens):
        if tokens[at + 1].word in _CONSTRAINT_WORDS:
            _table_constraint(sql, tokens, at + 1, len(tokens), notes)
            return _only_noted(tokens, at), notes.comment
        first = at + 2 if words(tokens, at + 1, "COLUMN") else at + 1
        return column(sql, tokens, first, len(tokens), notes), notes.comment
    if words(tokens, at, "DROP", "CONSTRAINT") and at + 2 < len(tokens):
        notes.values["drop_constraint"] = tokens[at + 2].value
        return _only_noted(tokens, at), notes.comment
    if words(tokens, at, "ALTER"):
        actions = split_list(tokens, at, len(tokens))
        if len(actions) > 1 and all(tokens[first].word == "ALTER" for first, _ in actions):
            return _layouts(sql, tokens, actions, notes), notes.comment
        return _alter(sql, tokens, at + 1, at, notes)
    return [], ""


def _layouts(sql: str, tokens: Sequence[Token], actions: Sequence[tuple[int, int]], notes: Notes) -> list[Edit]:
    """ALTER DISTKEY …, ALTER SORTKEY …: layout alone may stand several times."""
    for first, past in actions:
        edits, _ = _alter(sql, tokens[:past], first + 1, first, notes)
        if len(edits) != 1 or edits[0].text != _NOTHING:
            raise refuse.syntax_error(tokens[first + 1])
    return _only_noted(tokens, actions[0][0])


def _alter(sql: str, tokens: Sequence[Token], at: int, alter: int, notes: Notes) -> tuple[list[Edit], str]:
    end = len(tokens)
    word = tokens[at].word if at < end else ""
    if word == "DISTSTYLE" and words(tokens, at + 1, "KEY", "DISTKEY"):
        notes.values |= {"diststyle": "key", "distkey": tokens[min(at + 3, end - 1)].value}
        return _only_noted(tokens, alter), notes.comment
    if word == "DISTKEY" and at + 2 == end:
        notes.values |= {"diststyle": "key", "distkey": tokens[at + 1].value}
        return _only_noted(tokens, alter), notes.comment
    if word == "SORTKEY" and words(tokens, at + 1, "NONE"):
        notes.values["sortkey"] = {"style": "none", "columns": []}
        return _only_noted(tokens, alter), notes.comment
    if word in ("DISTSTYLE", "SORTKEY", "COMPOUND", "INTERLEAVED", "ENCODE"):
        table_attributes(sql, tokens, at, end, notes)
        return _only_noted(tokens, alter), notes.comment
    column_at = at + 1 if word == "COLUMN" else at
    if words(tokens, column_at + 1, "ENCODE"):
        _encoding(tokens, column_at + 2, end)
        notes.add("encode", [tokens[column_at].value, tokens[column_at + 2].value])
        return _only_noted(tokens, alter), notes.comment
    if words(tokens, column_at + 1, "TYPE"):
        return column_type(sql, tokens, f"{notes.table[-1]}.{tokens[column_at].value}", column_at + 2, end), ""
    return [], ""


def alter_layout(sql: str, tokens: Sequence[Token], at: int, notes: Notes) -> None:
    """Notes the layout that an ALTER … ALTER {DISTSTYLE | DISTKEY | SORTKEY …} asks for; refuses all else."""
    _alter(sql, tokens, at, at, notes)
    if not notes.values:
        raise refuse.syntax_error(tokens[at])


def _only_noted(tokens: Sequence[Token], at: int) -> list[Edit]:
    """In place of the change, one that finds the table, checks its owner and changes nothing."""
    return [Edit(tokens[at].start, tokens[-1].end, _NOTHING)]


def quoted_name(parts: Sequence[str]) -> str:
    return ".".join(identifier(part) for part in parts)
