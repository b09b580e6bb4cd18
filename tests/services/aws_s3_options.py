"""Random options of COPY for the tests of aws_s3, and the notations in which a caller may write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_s3_tables import identifier
from hypothesis import strategies as st

# https://www.postgresql.org/docs/current/sql-copy.html: any one byte, but these
_CHARACTERS = "".join(chr(code) for code in range(1, 127) if chr(code) not in "\r\n")
_NOT_IN_TEXT = "\\.abcdefghijklmnopqrstuvwxyz0123456789"
# Not a backslash alone, which COPY's text format writes but does not read.
_NULLS = ["", "\\N", "NULL", "null", "a", "0", " ", "it's", "'; --", "$$", "(x, y)", "é", "E'x'", "%s"]


@dataclass(frozen=True)
class Options:
    """What is None is not given."""

    format: str
    delimiter: str | None = None
    null: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | None = None
    force_quote: tuple[str, ...] | None = None
    encoding: str | None = None

    def pairs(self, *, to: bool, header: str | None = None) -> list[tuple[str, str | tuple[str, ...] | bool]]:
        """Name and value of each, for COPY TO or COPY FROM."""
        found: list[tuple[str, str | tuple[str, ...] | bool]] = [("format", self.format)]
        for name in ("delimiter", "null", "quote", "escape", "encoding"):
            value = getattr(self, name)
            if value is not None:
                found.append((name, value))
        if self.header is not None:
            found.append(("header", header if header and self.header else self.header))
        if to and self.force_quote is not None:
            found.append(("force_quote", self.force_quote))
        return found

    def sql(self, *, to: bool, header: str | None = None) -> str:
        """As PostgreSQL's own COPY takes them."""
        written = []
        for name, value in self.pairs(to=to, header=header):
            if isinstance(value, tuple):
                text = "(" + ", ".join(map(identifier, value)) + ")" if value else "*"
            else:
                text = str(value).lower() if isinstance(value, bool) else quoted(value)
            written.append(f"{name} {text}")
        return "(" + ", ".join(written) + ")"


def quoted(text: str) -> str:
    """A string as SQL has it, whatever standard_conforming_strings says."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@st.composite
def options(draw: st.DrawFn, columns: Sequence[str], *, latin1: bool) -> Options:
    """Such as COPY takes for a table of these columns."""
    encoding = draw(st.sampled_from([None, "UTF8", "LATIN1"] if latin1 else [None, "UTF8"]))
    form = draw(st.sampled_from(["csv", "csv", "text", "binary"]))
    if form == "binary":
        return Options(form, encoding=encoding)
    usual = st.sampled_from([",", ";", "|", "\t", "\x01", ":"])
    delimiter = draw(st.none() | usual | st.sampled_from(_CHARACTERS))
    if form == "text" and delimiter is not None and delimiter in _NOT_IN_TEXT:
        delimiter = None
    quote = draw(st.none() | st.sampled_from("\"'|\x02~") | st.sampled_from(_CHARACTERS)) if form == "csv" else None
    if quote == (delimiter or ","):
        quote = None if delimiter != '"' else "'"
    if form == "csv" and quote is None and delimiter == '"':
        quote = "'"
    taken = (delimiter or ("," if form == "csv" else "\t")) + ((quote or '"') if form == "csv" else "")
    nulls = [null for null in _NULLS if not set(null) & set(taken)]
    # \N itself is the usual marker of text, and it must be without the delimiter too.
    null = draw((st.none() if "N" not in taken and "\\" not in taken else st.nothing()) | st.sampled_from(nulls))
    return Options(
        form,
        delimiter,
        null,
        quote,
        escape=draw(st.none() | st.sampled_from("\\\"'") | st.sampled_from(_CHARACTERS)) if form == "csv" else None,
        header=draw(st.none() | st.booleans()),
        force_quote=draw(_forced(columns)) if form == "csv" else None,
        encoding=encoding,
    )


def _forced(columns: Sequence[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    """No tuple is none of them, an empty one `*`."""
    return st.none() | st.just(()) | st.lists(st.sampled_from(columns), min_size=1, unique=True).map(tuple)


@st.composite
def notations(draw: st.DrawFn, given: Options, *, to: bool) -> str:
    """The options as a caller may write them: in parentheses or not, today's syntax or that before PostgreSQL 9.0."""
    header = draw(st.sampled_from([None, "match"])) if not to else None
    pairs = draw(st.permutations(given.pairs(to=to, header=header)))
    legacy = draw(st.booleans()) and header is None
    written = [draw(_legacy(*pair) if legacy else _generic(*pair)) for pair in pairs]
    written = [option for option in written if option]
    if legacy:
        return " ".join(written)
    text = draw(st.sampled_from([", ", ",", " , ", "\n, "])).join(written)
    return draw(st.sampled_from(["{}", "({})", " ( {} )\n"])).replace("{}", text)


def _literal(text: str) -> st.SearchStrategy[str]:
    forms = [quoted(text)]
    if "\\" not in text:
        forms.append("'" + text.replace("'", "''") + "'")
    if "$" not in text:
        forms += [f"$${text}$$", f"$q${text}$q$"]
    return st.sampled_from(forms)


def _case(word: str) -> st.SearchStrategy[str]:
    return st.sampled_from([word, word.upper(), word.title()])


def _columns(columns: tuple[str, ...]) -> str:
    return ", ".join(map(identifier, columns))


@st.composite
def _generic(draw: st.DrawFn, name: str, value: str | tuple[str, ...] | bool) -> str:
    if isinstance(value, tuple):
        text = f"({_columns(value)})" if value else "*"
    elif isinstance(value, bool):
        text = draw(st.sampled_from(["true", "TRUE", "on", "1", ""] if value else ["false", "Off", "0"]))
    elif value in ("csv", "text", "binary", "match", "UTF8", "LATIN1"):
        text = draw(_case(value) | _literal(value))
    else:
        text = draw(_literal(value))
    return f"{draw(_case(name))} {text}".strip()


@st.composite
def _legacy(draw: st.DrawFn, name: str, value: str | tuple[str, ...] | bool) -> str:
    if name == "format":
        return "" if value == "text" else draw(_case(str(value)))
    if isinstance(value, tuple):
        return f"{draw(_case('force quote'))} {_columns(value) if value else '*'}"
    if isinstance(value, bool):
        return draw(_case(name)) if value else ""
    between = draw(st.sampled_from([" ", " AS ", " as "])) if name in ("delimiter", "null", "quote", "escape") else " "
    return f"{draw(_case(name))}{between}{draw(_literal(value))}"
