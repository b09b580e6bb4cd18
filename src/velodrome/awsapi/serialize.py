"""Writes a reply's members by their shapes."""

from __future__ import annotations

import base64
import datetime
from email.utils import format_datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape


def json_value(shape: Shape, value: Any) -> Any:
    """A Python value as JSON has it. A member that the shape lacks is a mistake of ours, and an error."""
    if value is None:
        return None
    match shape:
        case StructureShape():
            unknown = value.keys() - shape.members.keys()
            if unknown:
                raise ValueError(f"{shape.name} has no {', '.join(sorted(unknown))}")
            return {
                member.serialization.get("name", name): json_value(member, value[name])
                for name, member in shape.members.items()
                if value.get(name) is not None
            }
        case MapShape():
            return {key: json_value(shape.value, item) for key, item in value.items()}
        case ListShape():
            return [json_value(shape.member, item) for item in value]
    if shape.type_name == "timestamp":
        return _timestamp(value, shape.serialization.get("timestampFormat", "unixtimestamp"))
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return value


def text_value(shape: Shape, value: Any, timestamp: str = "rfc822") -> str:
    """A value for a header, or for XML."""
    if shape.type_name == "timestamp":
        return str(_timestamp(value, shape.serialization.get("timestampFormat", timestamp)))
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return str(value)


def _timestamp(moment: datetime.datetime, form: str) -> str | float:
    match form.lower():
        case "iso8601":
            return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case "rfc822":
            return format_datetime(moment.astimezone(datetime.UTC), usegmt=True)
    return round(moment.timestamp(), 3)
