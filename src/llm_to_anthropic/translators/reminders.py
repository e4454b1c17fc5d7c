"""System messages within a conversation as text of the user, for servers of Anthropic's protocol that know none.

Claude Code sends them to any server, and puts the same things in `<system-reminder>` where there are none.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.anthropic import edit_messages
from llm_to_anthropic.translators.raw import given, raw_json, with_member
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.anthropic import NO_RAW


class _Text(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    text: str
    cache_control: Raw = NO_RAW


class _System(msgspec.Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    """One that says something and does nothing else, such as to add tools or to end by itself."""

    content: str | list[_Text]


class _User(msgspec.Struct, tag_field="role", tag="user"):
    content: str | list[Raw]


_SAID: msgspec.json.Decoder[_System | _User] = msgspec.json.Decoder(_System | _User)


def as_reminders(body: bytes) -> bytes:
    """The same request with each system message at the end of the user's message before it. Raises ClientError."""
    return edit_messages(body, _as_reminders) if b'"system"' in body else body


def _as_reminders(messages: list[Raw]) -> list[Raw]:
    made: list[Raw] = []
    for raw in messages:
        said = _read(raw)
        if not isinstance(said, _System):
            made.append(raw)
        elif reminder := _reminder(said):
            before = _read(made[-1]) if made else None
            if isinstance(before, _User):
                made[-1] = with_member(made[-1], "content", [*_blocks(before.content), reminder])
            else:
                made.append(raw_json({"role": "user", "content": [reminder]}))
    return made


def _reminder(said: _System) -> Raw | None:
    blocks = [_Text(said.content)] if isinstance(said.content, str) else said.content
    text = "\n\n".join(block.text for block in blocks if block.text)
    if not text:
        return None
    marked = [block.cache_control for block in blocks if given(block.cache_control)]
    block = {"type": "text", "text": f"<system-reminder>\n{text}\n</system-reminder>"}
    return raw_json(block | {"cache_control": marked[-1]} if marked else block)


def _blocks(content: str | list[Raw]) -> list[Raw]:
    return content if isinstance(content, list) else [raw_json({"type": "text", "text": content})]


def _read(raw: Raw) -> _System | _User | None:
    try:
        return _SAID.decode(raw)
    except UNREADABLE:
        return None
