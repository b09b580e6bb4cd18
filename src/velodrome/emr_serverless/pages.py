"""Pages of a list, and the filters of its operations."""

from __future__ import annotations

import base64
import binascii
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .errors import ValidationException

Item = TypeVar("Item")
_PAGE = 50


def page(
    items: Sequence[Item], parameters: Mapping[str, Any], key: Callable[[Item], str]
) -> tuple[list[Item], str | None]:
    """The part of `items` that `nextToken` and `maxResults` ask for, and the token of the part after it.

    The token names the first item of the next page, so that items which come meanwhile shift nothing.
    """
    start = 0
    if token := parameters.get("nextToken"):
        wanted = _decode(token)
        start = next((number for number, item in enumerate(items) if key(item) == wanted), -1)
        if start < 0:
            raise ValidationException("Invalid nextToken")
    end = start + int(parameters.get("maxResults") or _PAGE)
    following = _encode(key(items[end])) if end < len(items) else None
    return list(items[start:end]), following


def created_within(moment: datetime.datetime, parameters: Mapping[str, Any]) -> bool:
    """Whether something was created in the span that `createdAtAfter` and `createdAtBefore` give."""
    return ("createdAtAfter" not in parameters or moment >= parameters["createdAtAfter"]) and (
        "createdAtBefore" not in parameters or moment <= parameters["createdAtBefore"]
    )


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _decode(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise ValidationException("Invalid nextToken") from None
