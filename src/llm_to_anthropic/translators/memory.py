"""What was rendered before: agents resend their whole conversation each turn, and their prompt and tools with it.

A message is remembered by its bytes if it reads the same wherever it stands: nothing of it was lost, mended,
numbered or merged with a neighbour. What surrounds the messages is a frame, remembered the same way.
Bounded in bytes; what was used last stays longest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Literal, TypeVar

import msgspec

MAX_BYTES = 24 * 1024 * 1024
MAX_ENTRY_BYTES = 1024 * 1024
ENTRY_BYTES = 500
"""What an entry takes beside its bytes, roughly."""


_PROBE_BYTES = 32
"""Looking for a long part at once would first prepare a table of all its bytes."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """One message as an upstream takes it."""

    fit: bool = True
    """False: it was tried and depends on its place; the whole request is rendered the general way."""
    role: Literal["user", "assistant", "system"] = "user"
    rendered: bytes = b""
    """Upstream messages as JSON, comma between them."""
    calls: tuple[str, ...] = ()
    """Ids of its tool calls."""
    results: tuple[str, ...] = ()
    """Ids of the calls that it answers."""
    used_tools: frozenset[str] = frozenset()
    media_bytes: int = 0
    replayed: bool = False
    """It holds what only the upstream that made it can read."""


UNFIT = Remembered(fit=False)

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by scope and bytes. The scope tells targets, and what was learned of them, apart."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.used_bytes = 0
        self._entries: OrderedDict[tuple[Hashable, bytes], tuple[Value, int]] = OrderedDict()
        self._max_bytes = max_bytes

    def keys(self) -> list[tuple[Hashable, bytes]]:
        """Scope and bytes of what is remembered, the least recently used first."""
        return list(self._entries)

    def get(self, scope: Hashable, data: bytes) -> Value | None:
        """What is remembered of these bytes."""
        key = (scope, data)
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def put(self, scope: Hashable, data: bytes, value: Value, size: int) -> None:
        """Remembers a value of `size` bytes, and forgets the least used ones where there is no room."""
        if (scope, data) not in self._entries:
            self.replace(scope, data, value, size)

    def replace(self, scope: Hashable, data: bytes, value: Value, size: int) -> None:
        """The same, in place of what was remembered of these bytes."""
        size += len(data) + ENTRY_BYTES
        key = (scope, data)
        if size > MAX_ENTRY_BYTES:
            return
        if (former := self._entries.pop(key, None)) is not None:
            self.used_bytes -= former[1]
        self._entries[key] = (value, size)
        self.used_bytes += size
        while self.used_bytes > self._max_bytes:
            _, (_, freed) = self._entries.popitem(last=False)
            self.used_bytes -= freed


def cut_out(body: bytes, part: bytes) -> bytes:
    """A body without one of its parts, and the place where that stood: together with the part it is the whole."""
    start = part[:_PROBE_BYTES]
    place = body.find(start)
    while not body.startswith(part, place):
        place = body.find(start, place + 1)
    return b"%d:%b%b" % (place, body[:place], body[place + len(part) :])
