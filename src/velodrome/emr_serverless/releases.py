"""placeholder until the table of releases is merged"""

from __future__ import annotations

from .errors import ValidationException


def find(label: str) -> str:
    if label != "emr-spark-8.0.0":
        raise ValidationException(f"Release label {label} is not available in Velodrome; only emr-spark-8.0.0 is")
    return label
