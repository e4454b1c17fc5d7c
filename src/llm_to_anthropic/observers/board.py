"""Numbers of several processes in memory that all of them see.

Made before the processes part. Each writes in a slot of its own and reads all; who takes the place of one that died
goes on in its slot, so that no total ever falls. Nothing is locked: a number has one writer.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence

import msgspec

NUMBERS = 32 * 1024
"""Numbers of one slot; the first is how many bytes of keys there are."""
KEY_BYTES = 192 * 1024
SPILL = 32
"""How many numbers at the end of a slot take whatever finds no room."""
SLOT_BYTES = NUMBERS * 8 + KEY_BYTES

Key = tuple[str, ...]
"""The name of a metric, and the values of its labels."""


class Board:
    """The slots of all processes."""

    def __init__(self, processes: int = 1) -> None:
        self._memory = memoryview(mmap.mmap(-1, processes * SLOT_BYTES))
        self._processes = processes

    def slots(self) -> Iterator[Slot]:
        """Every process's, as they are now."""
        return map(self.slot, range(self._processes))

    def slot(self, process: int) -> Slot:
        start = process * SLOT_BYTES
        return Slot(self._memory[start : start + SLOT_BYTES])


class Slot:
    """The numbers of one process."""

    def __init__(self, memory: memoryview) -> None:
        self.numbers = memory[: NUMBERS * 8].cast("d")
        self._text = memory[NUMBERS * 8 :]
        self._places: dict[Key, tuple[int, int]] = {}
        """Key -> where its numbers begin and how many there are."""
        self._next = 1
        for key, size in self._written():
            self._add(key, size)

    def place(self, key: Key, size: int = 1) -> int:
        """Where the numbers of a key begin; they are made, as zeros, where there are none."""
        found = self._places.get(key)
        if found is not None:
            return found[0]
        line = msgspec.json.encode([size, *key]) + b"\n"
        end = int(self.numbers[0])
        if end + len(line) > KEY_BYTES or self._next + size > NUMBERS - SPILL:
            return NUMBERS - SPILL
        self._text[end : end + len(line)] = line
        self.numbers[0] = end + len(line)  # last: from now on others read it
        return self._add(key, size)

    def read(self) -> Iterator[tuple[Key, Sequence[float]]]:
        """All keys with their numbers."""
        for key, (start, size) in self._places.items():
            yield key, self.numbers[start : start + size].tolist()

    def _add(self, key: Key, size: int) -> int:
        start = self._next
        self._places[key] = start, size
        self._next += size
        return start

    def _written(self) -> Iterator[tuple[Key, int]]:
        for line in bytes(self._text[: int(self.numbers[0])]).splitlines():
            size, *key = msgspec.json.decode(line, type=list[int | str])
            yield tuple(map(str, key)), int(size)
