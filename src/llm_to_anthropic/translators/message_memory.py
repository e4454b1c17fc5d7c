"""Messages that were rendered before: agents resend their whole conversation each turn.

A message is remembered by its bytes if it reads the same wherever it stands: nothing of it was lost, mended,
numbered or merged with a neighbour. Bounded in bytes; what was used last stays longest.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.pairing import Role

MAX_BYTES = 32 * 1024 * 1024
MAX_MESSAGE_BYTES = 1024 * 1024


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """One message as an upstream takes it."""

    fit: bool = True
    """False: it was tried and depends on its place; the whole request is rendered the general way."""
    role: Role = "user"
    rendered: tuple[Raw, ...] = ()
    calls: tuple[str, ...] = ()
    """Ids of its tool calls."""
    results: tuple[str, ...] = ()
    """Ids of the calls that it answers."""
    used_tools: frozenset[str] = frozenset()
    media_bytes: int = 0


UNFIT = Remembered(fit=False)


class MessageMemory:
    """Rendered messages of all targets. `scope` tells targets, and what was learned of them, apart."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._entries: OrderedDict[tuple[str, bytes], Remembered] = OrderedDict()
        self.used_bytes = 0
        self._max_bytes = max_bytes

    def remembered(self) -> list[tuple[str, bytes]]:
        """Scope and bytes of what is remembered, the least recently used first."""
        return list(self._entries)

    def get(self, scope: str, message: bytes) -> Remembered | None:
        """What is remembered of a message."""
        key = (scope, message)
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, scope: str, message: bytes, remembered: Remembered) -> None:
        """Remembers a message, and forgets the least used ones where there is no room."""
        size = _size(message, remembered)
        if len(message) > MAX_MESSAGE_BYTES or (scope, message) in self._entries:
            return
        self._entries[scope, message] = remembered
        self.used_bytes += size
        while self.used_bytes > self._max_bytes:
            (_, oldest), forgotten = self._entries.popitem(last=False)
            self.used_bytes -= _size(oldest, forgotten)


def fit_together(messages: list[Remembered]) -> bool:
    """Whether these messages follow each other so that none has to be mended or moved.

    Each call is answered by the next message, all results in the order of the calls, and no id comes twice.
    """
    asked: tuple[str, ...] = ()
    ids: list[str] = []
    for message in messages:
        if message.results != asked or (asked and message.role != "user"):
            return False
        asked = message.calls
        ids.extend(asked)
    return not asked and len(ids) == len(set(ids)) and messages[-1].role != "assistant"


def _size(message: bytes, remembered: Remembered) -> int:
    return len(message) + sum(len(memoryview(part)) for part in remembered.rendered) + 500
