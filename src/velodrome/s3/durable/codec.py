"""Python values as JSON text and back: what JSON lacks is spelled out by name, and nothing in it can run code."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

_PLAIN = (str, int, float, bool, type(None))


def dumps(value: Any) -> str:
    """JSON of str, int, float, bool, None, list, dict with any keys, bytes and datetime. Raises TypeError."""
    return json.dumps(_spelled(value), separators=(",", ":"))


def loads(text: str) -> Any:
    """The value again. Raises ValueError."""
    return json.loads(text, object_hook=_read)


def _spelled(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {str(key): _spelled(inner) for key, inner in value.items()}
        return {"$pairs": [[_spelled(key), _spelled(inner)] for key, inner in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_spelled(inner) for inner in value]
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, str):  # an enumeration's member
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no form in the store")


def _read(read: dict[str, Any]) -> Any:
    if len(read) != 1:
        return read
    ((name, inner),) = read.items()
    if not name.startswith("$"):
        return read
    if name == "$datetime":
        return datetime.fromisoformat(inner)
    if name == "$pairs":
        return dict(inner)
    if name == "$bytes":
        return base64.b64decode(inner)
    raise ValueError(f"unknown type {name} in the store")
