"""Redshift's configuration parameters that PostgreSQL lacks: their defaults and what they take.

https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_ConfigurationRef.html
The server inside keeps them as custom settings, velodrome.NAME, with these defaults (server.py), so that SET,
SET LOCAL, RESET, rollback, ALTER USER … SET and SHOW agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BOOLEANS = {"on": "on", "true": "on", "yes": "on", "1": "on", "off": "off", "false": "off", "no": "off", "0": "off"}


@dataclass(frozen=True)
class Parameter:
    """`lowest` and `highest` bound a number; `choices` are the only words; `only` is the one value that is carried."""

    default: str
    kind: str = "boolean"
    lowest: int = 0
    highest: int = 0
    choices: tuple[str, ...] = ()
    only: str = ""


def _number(default: int, lowest: int, highest: int) -> Parameter:
    return Parameter(str(default), "integer", lowest, highest)


_ON, _OFF = Parameter("on"), Parameter("off")
_LEVELS = ("debug5", "debug4", "debug3", "debug2", "debug1", "log", "info", "notice", "warning", "exception")

OWN = {
    "analyze_threshold_percent": Parameter("10", "number", 0, 100),
    "auto_analyze": _ON,
    "auto_mv": _ON,
    "cast_super_null_on_error": _ON,
    "datashare_break_glass_session_var": Parameter("", "text"),
    "default_geometry_encoding": Parameter("1", "integer", 1, 2),
    "describe_field_name_in_uppercase": Parameter("off", only="off"),
    "downcase_delimited_identifier": Parameter("on", only="on"),
    "enable_case_sensitive_identifier": _OFF,
    "enable_case_sensitive_super_attribute": _OFF,
    "enable_numeric_rounding": _ON,
    "enable_result_cache_for_session": _ON,
    "enable_spectrum_oid": _ON,
    "enable_vacuum_boost": _OFF,
    "error_on_nondeterministic_update": _OFF,
    "interval_forbid_composite_literals": _OFF,
    "json_parse_dedup_attributes": _OFF,
    "json_parse_truncate_strings": _OFF,
    "json_serialization_enable": _OFF,
    "json_serialization_parse_nested_strings": _OFF,
    "max_concurrency_scaling_clusters": _number(1, 0, 10),
    "max_cursor_result_set_size": _number(0, 0, 14_400_000),
    "mv_enable_aqmv_for_session": _ON,
    "navigate_super_null_on_error": _ON,
    "parse_super_null_on_error": _OFF,
    "pg_federation_repeatable_read": _ON,
    "query_group": Parameter("unset", "text"),
    "spectrum_enable_pseudo_columns": _ON,
    "spectrum_query_maxerror": _number(-1, -1, 2_147_483_647),
    "stored_proc_log_min_messages": Parameter("LOG", "choice", choices=_LEVELS),
    "use_fips_ssl": _OFF,
    "wlm_query_slot_count": _number(1, 1, 50),
}

# The gateway has to know this one's value at each moment, rollbacks and a user's defaults included. The server reports
# changes of few parameters only; it keeps this one in such a parameter, which nothing else here uses.
CASE = "enable_case_sensitive_identifier"
CASE_CARRIER = "scram_iterations"
CASE_VALUES = {"off": "4096", "on": "4097"}


def inside(name: str) -> str:
    """Under which name the server inside keeps one of these parameters."""
    return CASE_CARRIER if name == CASE else f"velodrome.{name}"


def keeps_case(reported: Mapping[str, str]) -> bool:
    """Whether quoted names keep their case in a session, by what the server inside reports of it."""
    return reported.get(CASE_CARRIER) == CASE_VALUES["on"]


# What the server inside starts with; SHOW ALL lists the names.
INSIDE = {f"velodrome.{name}": parameter.default for name, parameter in OWN.items()} | {
    "velodrome.parameters": ",".join(OWN),
    "extra_float_digits": "0",
}


def problem(name: str, value: str) -> tuple[str, str] | None:
    """SQLSTATE and message if Redshift's parameter does not take a value."""
    parameter = OWN[name]
    if parameter.kind == "boolean" and value.lower() not in BOOLEANS:
        return "22023", f'parameter "{name}" requires a Boolean value'
    if parameter.kind == "choice" and value.lower() not in parameter.choices:
        return "22023", f'invalid value for parameter "{name}": "{value}"'
    if parameter.kind in ("integer", "number"):
        try:
            number = int(value) if parameter.kind == "integer" else float(value)
        except ValueError:
            return "22023", f'invalid value for parameter "{name}": "{value}"'
        if not parameter.lowest <= number <= parameter.highest:
            bounds = f"({parameter.lowest} .. {parameter.highest})"
            return "22023", f'{value} is outside the valid range for parameter "{name}" {bounds}'
    return None


def normal(name: str, value: str) -> str:
    """A value as SHOW shows it."""
    return BOOLEANS[value.lower()] if OWN[name].kind == "boolean" else value
