"""Answers of servers that deviate from OpenAI Responses in a type, or in their JSON, made the Structs of the protocol.

Seen: numbers as strings, null in lists, halves of surrogate pairs, line breaks in strings. What cannot be read is left
out.
"""

from __future__ import annotations

import json
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.argument_json import with_whole_surrogates
from llm_to_anthropic.translators.upstream_errors import load_json
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.openai_responses_answer import Delta

Known = TypeVar("Known", bound=msgspec.Struct)


def decode_loosely(data: bytes | Raw, kind: type[Known]) -> Known:
    """The Struct in a JSON text; one without members where there is none."""
    try:
        found: Known = _decoder(kind).decode(data)
    except UNREADABLE:
        return _mended(data, kind)
    return found


def _mended(data: bytes | Raw, kind: type[Known]) -> Known:
    try:
        text = json.dumps(load_json(bytes(data)))
    except (ValueError, RecursionError):
        return kind()
    return _struct(with_whole_surrogates(text).encode(), kind)


def delta_loosely(data: bytes) -> Delta | None:
    """An event of a stream that could not be read strictly. Raises ValueError for what is no JSON object.

    Halves of surrogate pairs stay as they are: the other half comes with the next event. None: what the event brings
    is no text.
    """
    value = load_json(data)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  the text is wrong, not a type of ours
    found = {name: value.get(name) for name in ("type", "delta")}
    if not isinstance(found["type"], str):
        found["type"] = ""
    if found["delta"] is not None and not isinstance(found["delta"], str):
        return None
    places = {name: value.get(name) for name in ("output_index", "content_index", "summary_index")}
    try:
        return msgspec.convert({**found, **places}, Delta, strict=False)
    except msgspec.ValidationError:
        return msgspec.convert(found, Delta)


@lru_cache(maxsize=64)
def _decoder(kind: type[Known]) -> msgspec.json.Decoder[Known]:
    """Made once for each kind: half of what a short text costs to decode."""
    return msgspec.json.Decoder(kind)


def _struct(data: bytes | Raw, kind: type[Known]) -> Known:
    try:
        members = msgspec.json.decode(data, type=dict[str, Raw])
    except UNREADABLE:
        return kind()
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in members:
            try:
                found[field.name] = _value(members[field.encode_name], field.type)
            except UNREADABLE:
                continue
    return kind(**found)


def _value(data: Raw, wanted: Any) -> object:
    try:
        value: object = msgspec.json.decode(data, type=wanted, strict=False)
    except UNREADABLE:
        options = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
        for option in options:
            if isinstance(option, type) and issubclass(option, msgspec.Struct):
                return _struct(data, option)
            if get_origin(option) is list and bytes(data)[:1] == b"[":
                return _items(data, get_args(option)[0])
        if NoneType in options:
            return None
        raise
    return value


def _items(data: Raw, wanted: Any) -> list[object]:
    found = []
    for item in msgspec.json.decode(data, type=list[Raw]):
        try:
            found.append(_value(item, wanted))
        except UNREADABLE:
            continue
    return found
