"""Reads a request's members by their shapes, and checks them against the model's constraints."""

from __future__ import annotations

import base64
import binascii
import datetime
import math
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from .errors import SerializationException

_KINDS: dict[type, str] = {
    str: "STRING_VALUE",
    bool: "TRUE_VALUE",
    int: "NUMBER_VALUE",
    float: "DECIMAL_VALUE",
    type(None): "NULL_VALUE",
}
_NUMBERS = {"integer": "Integer", "long": "Long", "float": "Float", "double": "Double"}
_BITS = {"integer": 31, "long": 63}
# A lone surrogate ("\ud800") is no character and has no UTF-8 to be stored in; U+0000 is one, but no command line, no
# environment and no PostgreSQL can hold it: a job with it would be accepted and then could not be started.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def json_value(shape: Shape, value: Any, path: str = "") -> Any:
    """A JSON value as the shape's Python value. Members that the shape lacks are passed over, as AWS does."""
    if value is None:
        return None
    match shape:
        case StructureShape():
            if not isinstance(value, dict):
                raise _unexpected(value, "a structure", path)
            pairs = ((name, member.serialization.get("name", name), member) for name, member in shape.members.items())
            return {
                name: json_value(member, value[wire], f"{path}.{name}".lstrip("."))
                for name, wire, member in pairs
                if value.get(wire) is not None
            }
        case MapShape():
            if not isinstance(value, dict):
                raise _unexpected(value, "a map", path)
            return {
                _item(shape.key, key, path): _item(shape.value, item, f"{path}.{key}") for key, item in value.items()
            }
        case ListShape():
            if not isinstance(value, list):
                raise _unexpected(value, "a list", path)
            return [_item(shape.member, item, f"{path}.{number}.member") for number, item in enumerate(value, 1)]
    return _scalar(shape, value, path)


def _item(shape: Shape, value: Any, path: str) -> Any:
    # A member that is null is a member that is not there; in a list or a map, null is a value, and of no type.
    if value is None:
        raise _unexpected(value, "a value", path)
    return json_value(shape, value, path)


def text_value(shape: Shape, value: str, path: str, timestamp: str = "iso8601") -> Any:
    """A value from the path, the query string or a header."""
    name = shape.type_name
    try:
        if name == "boolean":
            return {"true": True, "false": False}[value.lower()]
        if name in ("integer", "long"):
            return _in_range(int(value), name)
        if name in ("float", "double"):
            return float(value)
    except (KeyError, ValueError):
        raise _unexpected(value, _NUMBERS.get(name, "Boolean"), path) from None
    if name == "timestamp":
        return _timestamp(value, shape.serialization.get("timestampFormat", timestamp), path)
    return value


def violations(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """Each constraint of the model that a value breaks, in AWS's words."""
    if value is None:
        return
    if isinstance(shape, StructureShape):
        yield from _structure_violations(shape, value, path)
        return
    if isinstance(shape, MapShape):
        yield from _length_violations(shape, value, path)
        for number, (key, item) in enumerate(value.items(), 1):
            yield from violations(shape.key, key, f"{path}.{number}.member.key")
            yield from violations(shape.value, item, f"{path}.{number}.member.value")
    elif isinstance(shape, ListShape):
        yield from _length_violations(shape, value, path)
        for number, item in enumerate(value, 1):
            yield from violations(shape.member, item, f"{path}.{number}.member")
    elif isinstance(shape, StringShape):
        yield from _string_violations(shape, value, path)
    elif shape.type_name in _NUMBERS:
        bounds: Mapping[str, Any] = shape.metadata
        if "min" in bounds and value < bounds["min"]:
            yield _failed(shape, value, path, f"Member must have value greater than or equal to {bounds['min']}")
        if "max" in bounds and value > bounds["max"]:
            yield _failed(shape, value, path, f"Member must have value less than or equal to {bounds['max']}")


def validation_message(found: list[str]) -> str:
    """The message of a ValidationException for these violations."""
    return f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: {'; '.join(found)}"


def _structure_violations(shape: StructureShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            at = f"{path}.{name}".lstrip(".")
            yield f"Value null at '{at}' failed to satisfy constraint: Member must not be null"
    if shape.metadata.get("union") and len(value) != 1:
        yield _failed(shape, value, path, "Member must have exactly one member set")
    for name, member in shape.members.items():
        yield from violations(member, value.get(name), f"{path}.{name}".lstrip("."))


def _string_violations(shape: StringShape, value: str, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _failed(shape, value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    yield from _length_violations(shape, value, path)
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _failed(shape, value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _length_violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    bounds: Mapping[str, Any] = shape.metadata
    if "min" in bounds and len(value) < bounds["min"]:
        yield _failed(shape, value, path, f"Member must have length greater than or equal to {bounds['min']}")
    if "max" in bounds and len(value) > bounds["max"]:
        yield _failed(shape, value, path, f"Member must have length less than or equal to {bounds['max']}")


def _failed(shape: Shape, value: Any, path: str, constraint: str) -> str:
    shown = f"'{value}' " if isinstance(value, str | int | float) and not shape.metadata.get("sensitive") else ""
    return f"Value {shown}at '{path}' failed to satisfy constraint: {constraint}"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # AWS means whole values; a dot also takes a line break, so that a text of several lines is not refused here only.
    # Its patterns are Java's, which know Unicode's categories; they stand in classes only: [\p{L}\p{N}_-]+
    return re.compile(re.sub(r"\\p\{(\w)\}", lambda found: _category(found[1]), pattern), re.DOTALL)


@cache
def _category(letter: str) -> str:
    """All characters of one of Unicode's main categories, as the inside of a regular expression's class."""
    codes = (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == letter)
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def _scalar(shape: Shape, value: Any, path: str) -> Any:
    name = shape.type_name
    if name == "string":
        if not isinstance(value, str) or _NO_TEXT.search(value):
            raise _unexpected(value, "a String", path)
    elif name == "boolean":
        if not isinstance(value, bool):
            raise _unexpected(value, "a Boolean", path)
    elif name in ("integer", "long"):
        try:
            return _in_range(value, name)
        except ValueError:
            raise _unexpected(value, "an Integer" if name == "integer" else "a Long", path) from None
    elif name in ("float", "double"):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _unexpected(value, f"a {_NUMBERS[name]}", path)
    elif name == "timestamp":
        return _timestamp(value, shape.serialization.get("timestampFormat", "unixtimestamp"), path)
    elif name == "blob":
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise _unexpected(value, "a Blob", path) from None
    return value


def _in_range(value: Any, name: str) -> int:
    """A whole number that an Integer (32 bits) or a Long (64) holds; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not -(2 ** _BITS[name]) <= value < 2 ** _BITS[name]:
        raise ValueError
    return value


def _timestamp(value: Any, form: str, path: str) -> datetime.datetime:
    try:
        if form.lower() == "unixtimestamp":
            return datetime.datetime.fromtimestamp(float(value), datetime.UTC)
        moment = parsedate_to_datetime(value) if form.lower() == "rfc822" else datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError, OverflowError, OSError):
        raise _unexpected(value, "a Timestamp", path) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _unexpected(value: Any, wanted: str, path: str) -> SerializationException:
    kind = _KINDS.get(type(value), "START_OBJECT" if isinstance(value, dict) else "START_ARRAY")
    return SerializationException(f"{kind} can not be converted to {wanted} at '{path}'")
