"""What was rendered before: agents resend their whole conversation each turn, and their prompt and tools with it.

A message is remembered by its bytes if it reads the same wherever it stands: nothing of it was lost, mended,
numbered or merged with a neighbour. What surrounds the messages is a frame, remembered the same way.
Bounded in bytes; what was used last stays longest.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import count
from typing import Generic, Literal, TypeVar

import msgspec

MAX_BYTES = 24 * 1024 * 1024
MAX_ENTRY_BYTES = 1024 * 1024
MAX_SCOPES = 4096
ENTRY_BYTES = 500
"""What an entry takes beside its bytes, roughly."""


_PROBE_BYTES = 32
"""A long part is looked for by its beginning: for all of it Python would first make a table of its bytes."""
GAP = b"\0"
"""Stands in the place of what was cut out: no JSON holds it."""

Called = tuple[str, str | None]
"""The tool of a call, and the id that the upstream gave the call."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """One message as an upstream takes it."""

    fit: bool = True
    """False: it was tried and depends on its place; the whole request is rendered the general way."""
    role: Literal["user", "assistant", "system"] = "user"
    rendered: bytes = b""
    """Upstream messages as JSON, comma between them."""
    calls: tuple[str, ...] = ()
    """Ids of its tool calls."""
    called: tuple[Called, ...] = ()
    """What their results have to repeat of them, where ids are not enough."""
    results: tuple[str, ...] = ()
    """Ids of the calls that it answers."""
    used_tools: frozenset[str] = frozenset()
    media_bytes: int = 0
    replayed: bool = False
    """It holds what only the upstream that made it can read."""
    plain: bool = False
    """It is fit, and nothing of it matters to other messages but what was rendered."""


UNFIT = Remembered(fit=False)

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values by scope and bytes. The scope tells targets, and what was learned of them, apart.

    Two generations: what is asked for stays young; once the young ones fill half the room, the old ones are forgotten
    and the young ones are old. To ask costs one look-up, where an order of use would have to be kept.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_entry_bytes: int = MAX_ENTRY_BYTES) -> None:
        self._young: dict[tuple[Hashable, bytes], tuple[Value, int]] = {}
        self._old: dict[tuple[Hashable, bytes], tuple[Value, int]] = {}
        self._young_bytes = 0
        self._old_bytes = 0
        self._scopes: dict[Hashable, int] = {}
        self._numbers = count()
        self._max_bytes = max_bytes
        self._max_entry_bytes = max_entry_bytes

    @property
    def used_bytes(self) -> int:
        return self._young_bytes + self._old_bytes

    def scope(self, named: Hashable) -> int:
        """A number that stands for a scope: it is looked up faster."""
        number = self._scopes.get(named)
        if number is None:
            if len(self._scopes) >= MAX_SCOPES:
                self._scopes.clear()  # their entries are never asked for again, and are forgotten in time
            number = self._scopes[named] = next(self._numbers)
        return number

    def keys(self) -> list[tuple[Hashable, bytes]]:
        """Scope and bytes of what is remembered."""
        return [*self._old, *self._young]

    def get(self, scope: Hashable, data: bytes) -> Value | None:
        """What is remembered of these bytes."""
        key = (scope, data)
        found = self._young.get(key)
        if found is not None:
            return found[0]
        found = self._old.pop(key, None)
        if found is None:
            return None
        self._old_bytes -= found[1]
        self._add(key, found)
        return found[0]

    def put(self, scope: Hashable, data: bytes, value: Value, size: int) -> None:
        """Remembers a value of `size` bytes in place of a former one, and forgets others where there is no room."""
        size += len(data) + ENTRY_BYTES
        key = (scope, data)
        if size > self._max_entry_bytes:
            return
        if (former := self._young.pop(key, None)) is not None:
            self._young_bytes -= former[1]
        elif (former := self._old.pop(key, None)) is not None:
            self._old_bytes -= former[1]
        self._add(key, (value, size))

    def _add(self, key: tuple[Hashable, bytes], entry: tuple[Value, int]) -> None:
        if (self._young_bytes + entry[1]) * 2 > self._max_bytes:
            self._old, self._old_bytes = self._young, self._young_bytes
            self._young, self._young_bytes = {}, 0
        self._young[key] = entry
        self._young_bytes += entry[1]


def cut_out(body: bytes, part: bytes) -> bytes:
    """A body without one of its parts, whose place is marked by what no JSON holds: with the part it is the whole."""
    start = part[:_PROBE_BYTES]
    place = body.find(start)
    while not body.startswith(part, place):
        place = body.find(start, place + 1)
    return body[:place] + GAP + body[place + len(part) :]
