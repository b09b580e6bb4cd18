"""Which statements read what happened: before them, the gateway writes what it has kept so far."""

from __future__ import annotations

import re

# STL_, STV_, SVL_, SVCS_, SYS_ and the rest of catalog/40_…49_; a name too much costs one write of a file.
_NAMES = re.compile(
    r"\b(?:stl|stv|svl|svcs|sys)_\w|\bsvv_(?:transactions|query_\w+)\b|\bpg_last_(?:query|copy|unload)_\w",
    re.IGNORECASE,
)


def reads_history(sql: str) -> bool:
    """Whether a statement's text names one of them."""
    return _NAMES.search(sql) is not None
