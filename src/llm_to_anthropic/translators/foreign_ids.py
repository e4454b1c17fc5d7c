"""Ids of calls that another server made, as Anthropic takes them: of few characters, and no two alike.

Models such as Kimi call a call `functions.look:0`, others number those of each answer anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from itertools import count

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.raw import raw_json

_SOUND = re.compile(r"[A-Za-z0-9_-]+")


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    tool_use_id: str = ""


class SoundIds:
    """Goes through a conversation, message by message. The same beginning gets the same ids each time."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._open: dict[str, list[str]] = {}
        """The ids of the calls that have no result yet, by those that they had."""
        self._numbers = count()

    def blocks(self, content: list[Raw]) -> list[Raw]:
        """The blocks of a message; those whose ids stay are the same objects."""
        return [self._block(raw) for raw in content]

    def _block(self, raw: Raw) -> Raw:
        try:
            block = msgspec.json.decode(raw, type=_Block)
        except msgspec.ValidationError:
            return raw
        match block.type:
            case "tool_use":
                return _with(raw, {"id": self._call(block.id)}, was=block.id)
            case "tool_result":
                return _with(raw, {"tool_use_id": self._result(block.tool_use_id)}, was=block.tool_use_id)
        return raw

    def _call(self, id: str) -> str:
        number, sound = next(self._numbers), id
        if id in self._taken or not _SOUND.fullmatch(id):
            sound = "toolu_" + hashlib.sha256(f"{number}:{id}".encode()).hexdigest()[:24]
        self._taken.add(sound)
        self._open.setdefault(id, []).append(sound)
        return sound

    def _result(self, id: str) -> str:
        waiting = self._open.get(id)
        return waiting.pop(0) if waiting else id


def _with(raw: Raw, member: Mapping[str, str], *, was: str) -> Raw:
    ((name, value),) = member.items()
    if value == was:
        return raw
    members = msgspec.json.decode(raw, type=dict[str, Raw])
    return raw_json(members | {name: value})
