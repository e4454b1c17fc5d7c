"""Raw JSON: values that travel without being decoded."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.wire import UNREADABLE


def raw_json(value: object) -> Raw:
    """A value as the JSON that it travels as."""
    return Raw(msgspec.json.encode(value))


def with_member(raw: Raw, name: str, value: object) -> Raw:
    """The JSON object with this value under this name; its other members keep their bytes."""
    return raw_json({**msgspec.json.decode(raw, type=dict[str, Raw]), name: value})


class _Typed(msgspec.Struct):
    type: str = ""


def type_in(raw: Raw) -> str:
    """The `type` of a JSON object; empty where it has none, or is none."""
    try:
        return msgspec.json.decode(raw, type=_Typed).type
    except UNREADABLE:
        return ""


def given(raw: Raw) -> bool:
    """Whether a raw field is there and not null."""
    return bool(raw) and bytes(raw) != b"null"


def lists_any(raw: Raw) -> bool:
    """Whether a raw field is there, not null and no empty list."""
    return given(raw) and bool(bytes(raw).strip(b"[] \t\r\n"))
