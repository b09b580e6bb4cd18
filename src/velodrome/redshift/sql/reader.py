"""Walks over a statement's tokens: for statements that are read whole, and not edited in place."""

from __future__ import annotations

import json
from collections.abc import Sequence

from velodrome.redshift.sql import refuse
from velodrome.redshift.sql.refuse import Refused
from velodrome.redshift.sql.tokens import NUMBER, QUOTED, STRING, WORD, Token, literal, words


class Reader:
    """What stands at a place is taken or refused, as a grammar would."""

    def __init__(self, sql: str, tokens: Sequence[Token], at: int = 0) -> None:
        self.sql = sql
        self.tokens = tokens
        self.at = at

    @property
    def here(self) -> Token:
        """The token at this place; the last one at the end."""
        return self.tokens[min(self.at, len(self.tokens) - 1)]

    @property
    def ended(self) -> bool:
        return self.at >= len(self.tokens)

    def sees(self, *expected: str) -> bool:
        return words(self.tokens, self.at, *expected)

    def take(self, *expected: str) -> bool:
        """Goes past these words (or symbols) if they stand here."""
        if not self.sees(*expected):
            return False
        self.at += len(expected)
        return True

    def take_any(self, *choices: str) -> str:
        """The one of these words that stood here; else the empty string."""
        return next((word for word in choices if self.take(*word.split())), "")

    def expect(self, *expected: str) -> None:
        if not self.take(*expected):
            raise self.error()

    def error(self) -> Refused:
        return refuse.syntax_error(self.here)

    def not_here(self, feature: str) -> Refused:
        return refuse.not_here(self.sql, self.here, feature)

    def _next(self, *kinds: str) -> Token:
        if self.ended or self.here.kind not in kinds:
            raise self.error()
        self.at += 1
        return self.tokens[self.at - 1]

    def name(self) -> str:
        return self._next(WORD, QUOTED).value

    def string(self) -> str:
        return self._next(STRING).value

    def integer(self) -> int:
        sign = -1 if self.take("-") else 1
        token = self._next(NUMBER)
        if not token.text.isdigit():
            raise refuse.syntax_error(token)
        return sign * int(token.text)

    def names(self) -> list[str]:
        """One name or more, between commas."""
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        return found

    def dotted(self) -> list[str]:
        """The parts of a name with dots."""
        found = [self.name()]
        while self.take("."):
            found.append(self.name())
        return found

    def end(self) -> None:
        if not self.ended:
            raise self.error()


def strings(values: Sequence[str]) -> str:
    """An array of texts."""
    return "ARRAY[" + ", ".join(literal(value) for value in values) + "]::text[]"


def json_literal(value: object) -> str:
    return literal(json.dumps(value)) + "::jsonb"
