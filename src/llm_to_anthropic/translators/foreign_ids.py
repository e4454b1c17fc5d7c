"""Ids of calls that another server made, as Anthropic takes them: of few characters, and no two alike.

Models such as Kimi call a call `functions.look:0`, others number those of each answer anew.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import count

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.digest import digest
from llm_to_anthropic.translators.raw import with_member
from llm_to_anthropic.wire import UNREADABLE

_SOUND = re.compile(r"[A-Za-z0-9_-]+")


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    tool_use_id: str = ""


class SoundIds:
    """Goes through a conversation, message by message. The same beginning gets the same ids each time."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._open: dict[str, deque[str]] = {}
        """The ids of the calls that have no result yet, by those that they had."""
        self._numbers = count()

    def blocks(self, content: list[Raw]) -> list[Raw]:
        """The blocks of a message; those whose ids stay are the same objects."""
        return [self._block(raw) for raw in content]

    def _block(self, raw: Raw) -> Raw:
        try:
            block = msgspec.json.decode(raw, type=_Block)
        except UNREADABLE:
            return raw
        match block.type:
            case "tool_use":
                return _renamed(raw, "id", block.id, self._call(block.id))
            case "tool_result":
                return _renamed(raw, "tool_use_id", block.tool_use_id, self._result(block.tool_use_id))
        return raw

    def _call(self, id: str) -> str:
        number, sound = next(self._numbers), id
        if id in self._taken or not _SOUND.fullmatch(id):
            sound = "toolu_" + digest(f"{number}:{id}")[:24]
        self._taken.add(sound)
        self._open.setdefault(id, deque()).append(sound)
        return sound

    def _result(self, id: str) -> str:
        waiting = self._open.get(id)
        return waiting.popleft() if waiting else id


def _renamed(raw: Raw, member: str, was: str, now: str) -> Raw:
    return raw if now == was else with_member(raw, member, now)
