"""Tables of the TOML file that mirror a Struct: timeouts, limits, quirks. Their fields are said once, there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from llm_to_anthropic.config.sources import Report, did_you_mean, quoted

Kind = TypeVar("Kind", bound=msgspec.Struct)

_TYPES: Mapping[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple[str, ...]: "a list of texts",
}
_MAY_BE_ZERO = frozenset(
    {
        "drain_s",
        "pre_stop_s",
        "max_connections_per_peer",
        "max_queued",
        "max_running_per_key",
        "max_memory_bytes",
        "max_retries",
        "max_share",
        "max_wait_s",
        "max_output",
        "max_stop",
        "max_tools",
        "min_budget",
        "min_output",
    }
)


def overrides(place: str, table: Mapping[str, object], kind: type[Kind], report: Report) -> dict[str, object]:
    """The entries of a table that are sound for a Struct; the others become problems.

    Lists become tuples, so that the result can go into a frozen, hashable Struct.
    """
    types = get_type_hints(kind)
    sound: dict[str, object] = {}
    for key, value in table.items():
        where = f"{place}.{quoted(key)}"
        if key not in types:
            report.problem(where, f"is not a known key.{did_you_mean(key, types)} Known: {', '.join(types)}.")
            continue
        converted = _converted(key, value, kind)
        if converted is None or not _in_range(key, converted):
            report.problem(where, f"must be {_wanted(types[key], key)}.{_near(value, types[key])}")
            continue
        sound[key] = converted
    return sound


def filled(place: str, table: Mapping[str, object], kind: type[Kind], report: Report) -> Kind:
    """A Struct of the sound entries, and defaults."""
    return msgspec.convert(overrides(place, table, kind, report), kind)


def _converted(key: str, value: object, kind: type[Kind]) -> object:
    try:
        return getattr(msgspec.convert({key: value}, kind), key, None)
    except msgspec.ValidationError:
        return None


def _in_range(key: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    return math.isfinite(value) and (value > 0 or (value == 0 and key in _MAY_BE_ZERO))


def _wanted(type_: object, key: str) -> str:
    if get_origin(type_) is Literal:
        return " or ".join(f'"{value}"' for value in get_args(type_))
    text = _TYPES.get(type_, "of another type")
    if type_ not in {int, float}:
        return text
    return f"{text}, {'0 or more' if key in _MAY_BE_ZERO else 'above 0'}"


def _near(value: object, type_: object) -> str:
    # The value itself is never shown: a key may have gone into the wrong place.
    if get_origin(type_) is not Literal or not isinstance(value, str):
        return ""
    return did_you_mean(value, get_args(type_))
