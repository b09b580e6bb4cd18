"""Types of numeric computations, as far as a statement's text tells them: PostgreSQL forgets precision and scale at
each operator, Redshift's rules say what a result has of both.

https://docs.aws.amazon.com/redshift/latest/dg/r_numeric_computations201.html
An expression whose operands are literals, casts, calls of known type and computations of those gets the result's
DECIMAL type; where an operand's type is known by the catalog alone, the computation is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from velodrome.redshift.sql.tokens import NUMBER, QUOTED, STRING, WORD, Edit, Token, closing, vocabulary, words

_LARGEST = 38
# What an integer counts as beside a DECIMAL.
_INTEGERS = {"int2": 5, "int4": 10, "int8": 19}
_TYPES = {
    "SMALLINT": "int2",
    "INT2": "int2",
    "INT": "int4",
    "INT4": "int4",
    "INTEGER": "int4",
    "BIGINT": "int8",
    "INT8": "int8",
    "REAL": "float",
    "FLOAT4": "float",
    "FLOAT": "float",
    "FLOAT8": "float",
    "DOUBLE": "float",
}
_DECIMALS = vocabulary("DECIMAL NUMERIC DEC")
_CALLS = {"COUNT": "int8", "LEN": "int4", "LENGTH": "int4"}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}


@dataclass(frozen=True, slots=True)
class Decimal:
    """DECIMAL(precision, scale)."""

    precision: int
    scale: int


Type = Decimal | str | None


def result(operator: str, left: Decimal, right: Decimal) -> Decimal:
    """Of a computation of two DECIMALs."""
    whole = max(left.precision - left.scale, right.precision - right.scale)
    if operator in "+-":
        scale = max(left.scale, right.scale)
        precision = whole + scale + 1
    elif operator == "*":
        scale = left.scale + right.scale
        precision = left.precision + right.precision
    elif operator == "/":
        scale = max(4, left.scale + right.precision - right.scale + 1)
        precision = left.precision - left.scale + right.scale + scale
    else:
        scale = max(left.scale, right.scale)
        precision = min(left.precision - left.scale, right.precision - right.scale) + scale
    if precision > _LARGEST:
        if operator == "/":
            scale = max(_LARGEST + scale - precision, min(4, 100))
        precision = _LARGEST
    return Decimal(precision, min(scale, 37))


def computations(tokens: Sequence[Token]) -> list[Edit]:
    """Edits that give each computation of known types the type of its result."""
    if not any(token.text in _PRECEDENCE for token in tokens):
        return []
    reader = _Reader(tokens)
    return reader.all()


@dataclass(slots=True)
class _Value:
    """An operand: from where to where it stands, and its type."""

    start: int
    end: int
    type: Type
    edits: list[Edit]


class _Reader:
    """Reads expressions by precedence, wherever one begins in a statement."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def all(self) -> list[Edit]:
        edits: list[Edit] = []
        while self.at < len(self.tokens):
            before = self.at
            edits += self.expression(0).edits
            if self.at == before:
                self.at += 1
        return edits

    def expression(self, lowest: int) -> _Value:
        left = self.operand()
        while self.at < len(self.tokens):
            operator = self.tokens[self.at].text
            precedence = _PRECEDENCE.get(operator, 0)
            if not precedence or precedence <= lowest or left.start == left.end or not self._joins():
                break
            where = self.tokens[self.at]
            self.at += 1
            right = self.expression(precedence)
            left = _computed(where, left, right)
        return left

    def _joins(self) -> bool:
        """Whether the operator here is between operands, not part of another: ->, *), /*."""
        token = self.tokens[self.at]
        following = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        return following is not None and not (following.start == token.end and following.text in "><=|")

    def operand(self) -> _Value:
        tokens, at = self.tokens, self.at
        if at >= len(tokens):
            return _Value(0, 0, None, [])
        token = tokens[at]
        if token.text in "+-" and at + 1 < len(tokens):
            self.at += 1
            inner = self.operand()
            if inner.start == inner.end:
                return inner
            return _Value(token.start, inner.end, inner.type, inner.edits)
        value = self._primary()
        while words(tokens, self.at, "::"):
            self.at += 1
            type_ = self._type()
            value = _Value(value.start, tokens[self.at - 1].end, type_, value.edits)
        return value

    def _primary(self) -> _Value:
        tokens, at = self.tokens, self.at
        token = tokens[at]
        if token.kind == NUMBER:
            self.at += 1
            return _Value(token.start, token.end, literal_type(token.text), [])
        if token.text == "(":
            close = closing(tokens, at)
            if close >= len(tokens):
                return _Value(token.start, token.start, None, [])
            query = words(tokens, at + 1, "SELECT") or words(tokens, at + 1, "WITH")
            type_, edits = self._inside(at + 1, close, single=not query)
            return _Value(token.start, tokens[close].end, type_, edits)
        if token.word == "CASE":
            return self._case()
        if token.word == "CAST" and words(tokens, at + 1, "("):
            return self._cast()
        if token.kind == STRING:
            self.at += 1
            return _Value(token.start, token.end, None, [])
        if token.kind in (WORD, QUOTED):
            return self._named()
        return _Value(token.start, token.start, None, [])

    def _inside(self, first: int, close: int, *, single: bool) -> tuple[Type, list[Edit]]:
        """What stands between parentheses; its type if it is one expression."""
        inner = _Reader(self.tokens[first:close])
        self.at = close + 1
        value = inner.expression(0) if single else _Value(0, 0, None, [])
        if single and inner.at >= len(inner.tokens):
            return value.type, value.edits
        return None, value.edits + inner.all()

    def _named(self) -> _Value:
        tokens, start = self.tokens, self.at
        if tokens[start].word in _KEYWORDS:
            return _Value(tokens[start].start, tokens[start].start, None, [])
        end = start + 1
        while words(tokens, end, ".") and end + 1 < len(tokens):
            end += 2
        if words(tokens, end, "(") and (close := closing(tokens, end)) < len(tokens):
            _, edits = self._inside(end + 1, close, single=False)
            type_: Type = _CALLS.get(tokens[start].word) if end == start + 1 else None
            if words(tokens, self.at, "OVER", "("):
                edits += self._inside(self.at + 2, closing(tokens, self.at + 1), single=False)[1]
            elif words(tokens, self.at, "WITHIN") or words(tokens, self.at, "OVER") or words(tokens, self.at, "IGNORE"):
                type_ = None
            return _Value(tokens[start].start, tokens[self.at - 1].end, type_, edits)
        self.at = end
        return _Value(tokens[start].start, tokens[end - 1].end, None, [])

    def _case(self) -> _Value:
        """CASE … END as one operand, whose branches' types are not compared."""
        tokens, start, depth = self.tokens, self.at, 0
        for index in range(start, len(tokens)):
            depth += {"CASE": 1, "END": -1}.get(tokens[index].word, 0)
            if depth == 0:
                _, edits = self._inside(start + 1, index, single=False)
                return _Value(tokens[start].start, tokens[index].end, None, edits)
        return _Value(tokens[start].start, tokens[start].start, None, [])

    def _cast(self) -> _Value:
        tokens, start = self.tokens, self.at
        close = closing(tokens, start + 1)
        as_ = next((at for at in range(close - 1, start, -1) if tokens[at].word == "AS"), None)
        if close >= len(tokens) or as_ is None:
            return _Value(tokens[start].start, tokens[start].start, None, [])
        _, edits = self._inside(start + 2, as_, single=False)
        self.at = as_ + 1
        type_ = self._type()
        self.at = close + 1
        return _Value(tokens[start].start, tokens[close].end, type_, edits)

    def _type(self) -> Type:
        """A type's name; goes past it."""
        tokens = self.tokens
        if self.at >= len(tokens):
            return None
        token = tokens[self.at]
        self.at += 1
        if token.word == "DOUBLE" and words(tokens, self.at, "PRECISION"):
            self.at += 1
        if token.word == "CHARACTER" and words(tokens, self.at, "VARYING"):
            self.at += 1
        inside: list[str] = []
        if words(tokens, self.at, "("):
            close = closing(tokens, self.at)
            inside = [each.text for each in tokens[self.at + 1 : close] if each.kind == NUMBER]
            self.at = min(close + 1, len(tokens))
        if token.word in ("TIME", "TIMESTAMP") and (
            words(tokens, self.at, "WITH") or words(tokens, self.at, "WITHOUT")
        ):
            self.at = min(self.at + 3, len(tokens))
        if token.word in _DECIMALS:
            numbers = [int(text) for text in inside if text.isdigit()] or [18]
            return Decimal(numbers[0], numbers[1] if len(numbers) > 1 else 0)
        return _TYPES.get(token.word)


_KEYWORDS = vocabulary(
    """
    SELECT FROM WHERE GROUP ORDER BY HAVING LIMIT OFFSET QUALIFY AND OR NOT AS ON IN IS LIKE ILIKE SIMILAR BETWEEN WHEN
    THEN ELSE END DISTINCT ALL VALUES SET INTO UNION INTERSECT EXCEPT MINUS WITH USING JOIN LEFT RIGHT FULL INNER CROSS
    INTERVAL DATE TIME TIMESTAMP TIMESTAMPTZ TIMETZ NULL TOP CREATE TABLE INSERT UPDATE DELETE RETURN EXISTS
    """
)


def literal_type(text: str) -> Type:
    """An integer is the least type that holds it, a fraction is a DECIMAL of its own digits."""
    if text.isdigit():
        number = int(text)
        if number < 2**31:
            return "int4"
        return "int8" if number < 2**63 else Decimal(min(len(text), _LARGEST), 0)
    if "e" in text.lower():
        return "float"
    whole, _, fraction = text.partition(".")
    whole = whole.lstrip("0")
    return Decimal(max(1, len(whole) + len(fraction)), len(fraction))


def _as_decimal(type_: Type) -> Decimal | None:
    if isinstance(type_, Decimal):
        return type_
    return Decimal(_INTEGERS[type_], 0) if type_ in _INTEGERS else None


def _computed(operator: Token, left: _Value, right: _Value) -> _Value:
    edits = [*left.edits, *right.edits]
    if right.start == right.end:
        return _Value(left.start, max(left.end, operator.end), None, edits)
    first, second = _as_decimal(left.type), _as_decimal(right.type)
    whole = _Value(left.start, right.end, None, edits)
    if first is None or second is None or operator.text == "^":
        return whole
    if not (isinstance(left.type, Decimal) or isinstance(right.type, Decimal)):
        order = list(_INTEGERS)
        whole.type = max(str(left.type), str(right.type), key=order.index)
        return whole
    type_ = result(operator.text, first, second)
    whole.type = type_
    shown = f"::NUMERIC({type_.precision},{type_.scale})"
    if operator.text == "/":
        whole.edits = [
            Edit(left.start, left.start, "velodrome.quotient("),
            *edits,
            Edit(operator.start, operator.end, ","),
            Edit(right.end, right.end, f",{type_.scale}){shown}"),
        ]
    else:
        whole.edits = [Edit(left.start, left.start, "("), *edits, Edit(right.end, right.end, f"){shown}")]
    return whole
