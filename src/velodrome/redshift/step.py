"""A client's message on its way through the backend."""

from __future__ import annotations

from dataclasses import dataclass, field

from velodrome.redshift.copy import Load
from velodrome.redshift.history import Query
from velodrome.redshift.sql.copy_statement import Copy
from velodrome.redshift.sql.statement import Statement

VISIBLE, HIDDEN, TARGET, MADE, COPY = "vhtmc"
_UNSEEN = (HIDDEN, TARGET, MADE)


@dataclass(slots=True)
class Prepared:
    """A prepared statement: what else it does, the client's own text, which of its parameters are intervals, and which
    columns of its result, by number from 0, are DECIMAL, of which (precision, scale), once it has been described."""

    statement: Statement | None
    text: str
    intervals: frozenset[int]
    numerics: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Portal:
    """A prepared statement with values, and the forms in which the client wants its result: 0 is text, 1 binary."""

    prepared: Prepared
    formats: tuple[int, ...] = ()
    _binary: dict[int, tuple[int, int]] | None = None

    @property
    def binary_numerics(self) -> dict[int, tuple[int, int]]:
        """The columns of DECIMAL that it wants in binary."""
        if self._binary is None or not self._binary:
            each = self.formats if len(self.formats) != 1 else None
            self._binary = {
                number: kind
                for number, kind in self.prepared.numerics.items()
                if (self.formats[0] == 1 if each is None else number < len(each) and each[number] == 1)
            }
        return self._binary


@dataclass(slots=True)
class Step:
    """One message that the backend will answer; for a query of several statements, which of them is being answered.

    `pieces` are the statements of a query: the client's own, hidden ones, the questions for a COPY's target and for
    what the transaction has made, the COPY itself (empty: the client's own as they are). `hiding`: what comes now is
    not for the client. `error` replaces the error that is provoked. `texts` are the client's own statements, for the
    history, `tags` the command tags that it sees in place of the server's (empty: the server's), `changed` the text
    that is sent and the client's own, if it is another one.
    """

    kind: str
    pieces: str = ""
    hiding: bool = False
    error: bytes = b""
    texts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    changed: tuple[str, str] | None = None
    copies: list[Copy] = field(default_factory=list)
    use: str = ""  # the database in which the session goes on, once this is done
    done: int = 0  # pieces that are answered
    told: int = 0  # of `texts`, as far as they are answered
    load: Load | None = None
    query: Query | None = None
    prepared: Prepared | None = None  # what is described
    portal: Portal | None = None  # what is executed
    overflowed: bool = False  # a number did not fit into its column's form: `error` ends the result
    replaced: tuple[str, Prepared | None] | None = None  # a prepared statement's name, and what had it before

    def __post_init__(self) -> None:
        if self.pieces:
            self.hiding = self.pieces[0] in _UNSEEN

    def advance(self) -> None:
        """One more statement is answered."""
        self.done += 1
        if self.pieces:
            self.hiding = self.done < len(self.pieces) and self.pieces[self.done] in _UNSEEN

    @property
    def piece(self) -> str:
        """What is being answered now; empty for the client's own as it is."""
        return self.pieces[self.done] if self.done < len(self.pieces) else ""
