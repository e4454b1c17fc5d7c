"""Reads that are exactly one chunk of an answer's body, as nearly all reads of a stream of events are.

A chunk of a given length can begin with one line alone, so that line is known before the chunk comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

Lines = Sequence[bytes]
"""The line that begins a chunk, as one server writes it, by the length of the whole chunk."""

MOST_BYTES = 1024
"""The largest chunk that is told by its length."""
ENDS = b"\r\n"
_NONE = b"\n" * MOST_BYTES
"""Begins no chunk, and is longer than any read that is looked up: what comes in such a length is left to the parser."""


def lines_of(read: bytes, body: bytes) -> Lines:
    """The lines that such chunks begin with; nothing where the read was not the chunk that holds `body`.

    Once a parser has found the body there, the read began where a chunk does, and so does the next.
    """
    size = len(read)
    if size >= MOST_BYTES or not read.endswith(ENDS):
        return ()
    for digits in (b"%x", b"%X"):
        lines = _lines(digits)
        line = lines[size]
        if read.startswith(line) and read[len(line) : -len(ENDS)] == body:
            return lines
    return ()


@lru_cache(maxsize=2)
def _lines(digits: bytes) -> Lines:
    lines = [_NONE] * MOST_BYTES
    for size in range(1, MOST_BYTES):
        line = digits % size + ENDS
        whole = len(line) + size + len(ENDS)
        if whole < MOST_BYTES:
            lines[whole] = line
    return lines
