"""Requests without what a relay or another server of Anthropic's protocol does not know; the rest stays."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.raw import raw_json, type_in
from llm_to_anthropic.translators.request import check_utf8
from llm_to_anthropic.wire import UNREADABLE

_Members = dict[str, Raw]
_Edit = Callable[[_Members], bool]
"""Changes the members of an object, and says whether it did."""
_HOLDERS = ("system", "messages", "tools", "content")
_DEEPEST = 4
"""A mark stands in a block, of a result, of a message, of the request."""


def without_top(field: str) -> Callable[[bytes], bytes]:
    """An edit that leaves out a field of the request."""

    def edit(members: _Members) -> bool:
        return members.pop(field, None) is not None

    return lambda body: _edited(body, field, edit, deepest=0)


def without_tools(field: str) -> Callable[[bytes], bytes]:
    """An edit that leaves out a field of each tool."""

    def edit(members: _Members) -> bool:
        return "name" in members and members.pop(field, None) is not None

    return lambda body: _edited(body, field, edit, deepest=1, holders=("tools",))


def without_effort(body: bytes) -> bytes:
    """The request without the effort that it asks for."""
    return _edited(body, "output_config", _without_effort, deepest=0)


def with_little_thinking(body: bytes) -> bytes:
    """The request with little effort where it asks for no thinking at all."""
    return _edited(body, "thinking", _with_little_thinking, deepest=0)


def without_adaptive(body: bytes) -> bytes:
    """The request without thinking where the model is to decide on it."""
    return _edited(body, "thinking", _without_adaptive, deepest=0)


def with_plain_marks(body: bytes) -> bytes:
    """The request with cache breakpoints that say nothing of their lifetime or scope."""
    return _edited(body, "cache_control", _with_plain_mark, deepest=_DEEPEST)


def without_marks(body: bytes) -> bytes:
    """The request without any cache breakpoints but the one of the request itself."""

    def edit(members: _Members) -> bool:
        return "messages" not in members and members.pop("cache_control", None) is not None

    return _edited(body, "cache_control", edit, deepest=_DEEPEST)


def _without_effort(members: _Members) -> bool:
    config = msgspec.json.decode(members.get("output_config", b"{}"), type=_Members | None) or {}
    if config.pop("effort", None) is None:
        return False
    if config:
        members["output_config"] = raw_json(config)
    else:
        del members["output_config"]
    return True


def _with_little_thinking(members: _Members) -> bool:
    if _thinking(members) != "disabled":
        return False
    del members["thinking"]
    config = msgspec.json.decode(members.get("output_config", b"{}"), type=_Members | None) or {}
    members["output_config"] = raw_json(config | {"effort": "low"})
    return True


def _without_adaptive(members: _Members) -> bool:
    return _thinking(members) == "adaptive" and members.pop("thinking") is not None


def _thinking(members: _Members) -> str:
    return type_in(members["thinking"]) if "thinking" in members else ""


def _with_plain_mark(members: _Members) -> bool:
    mark = msgspec.json.decode(members.get("cache_control", b"{}"), type=_Members | None) or {}
    plain = {name: value for name, value in mark.items() if name == "type"}
    if len(plain) == len(mark):
        return False
    members["cache_control"] = raw_json(plain)
    return True


def _edited(body: bytes, field: str, edit: _Edit, *, deepest: int, holders: tuple[str, ...] = _HOLDERS) -> bytes:
    check_utf8(body)
    mark = f'"{field}"'.encode()
    raw = _edited_value(Raw(body), mark, edit, holders, deepest)
    return body if raw is None else bytes(raw)


def _edited_value(raw: Raw, mark: bytes, edit: _Edit, holders: tuple[str, ...], deepest: int) -> Raw | None:
    """An object, or None where nothing in it is changed; what cannot be read stays."""
    if mark not in bytes(raw):
        return None
    try:
        members = msgspec.json.decode(raw, type=_Members)
        changed = edit(members)
    except UNREADABLE:
        return None
    for holder in holders if deepest else ():
        if holder in members and (made := _edited_list(members[holder], mark, edit, holders, deepest - 1)):
            members[holder], changed = made, True
    return raw_json(members) if changed else None


def _edited_list(raw: Raw, mark: bytes, edit: _Edit, holders: tuple[str, ...], deepest: int) -> Raw | None:
    if mark not in bytes(raw):
        return None
    try:
        values = msgspec.json.decode(raw, type=list[Raw])
    except UNREADABLE:
        return None
    made = [_edited_value(value, mark, edit, holders, deepest) for value in values]
    if all(value is None for value in made):
        return None
    return raw_json([new or old for new, old in zip(made, values, strict=True)])
