"""Pages of a list, and the filters of its operations."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from .errors import ValidationException

# Where an item stands in its list: the lists are in ascending order of it, and no two items have the same.
Place = tuple[float | str, ...]
Item = TypeVar("Item")
_PAGE = 50


class Listed(Protocol):
    """What the lists are of."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def state(self) -> str:
        """The state that lists are filtered by."""

    @property
    def created_at(self) -> float:
        """When it was made, in seconds since the epoch."""


def place(item: Listed, states: Sequence[str] | None) -> Place:
    """The place of an item in a list that is grouped by the `states` asked for, with the newest first."""
    return (states.index(item.state) if states else 0, -item.created_at, item.id)


def page(
    items: Sequence[Item], parameters: Mapping[str, Any], place_of: Callable[[Item], Place]
) -> tuple[list[Item], str | None]:
    """The part of `items` that `nextToken` and `maxResults` ask for, and the token of the part after it.

    The token has the place of the next page's first item: neither items that come meanwhile shift anything, nor does it
    matter whether that item is still in the list. Airflow cancels jobs page by page while others end by themselves.
    """
    start = 0
    if token := parameters.get("nextToken"):
        start = _first_from(items, token, place_of)
    end = start + int(parameters.get("maxResults") or _PAGE)
    following = _encode(place_of(items[end])) if end < len(items) else None
    return list(items[start:end]), following


def created_within(moment: datetime.datetime, parameters: Mapping[str, Any]) -> bool:
    """Whether something was created in the span that `createdAtAfter` and `createdAtBefore` give."""
    return ("createdAtAfter" not in parameters or moment >= parameters["createdAtAfter"]) and (
        "createdAtBefore" not in parameters or moment <= parameters["createdAtBefore"]
    )


def _first_from(items: Sequence[Item], token: str, place_of: Callable[[Item], Place]) -> int:
    try:
        wanted = tuple(json.loads(base64.urlsafe_b64decode(token.encode())))
        # As many parts, of the same types: comparing raises TypeError otherwise.
        return next(
            (number for number, item in enumerate(items) if _same_kind(place_of(item), wanted) >= wanted), len(items)
        )
    except (TypeError, ValueError, RecursionError):
        raise ValidationException("Invalid nextToken") from None


def _same_kind(one: Place, other: Place) -> Place:
    if [isinstance(part, str) for part in one] != [isinstance(part, str) for part in other]:
        raise TypeError
    return one


def _encode(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
