"""What surrounds the messages of a request: agents send the same with each turn, and it is read only once.

A body is valid JSON, and its messages are those of a request, as soon as they are a valid list between surroundings
that were read before: nothing inside a list decides how what stands around it is read.
"""

from __future__ import annotations

import msgspec

from llm_to_anthropic.translators.memory.memory import GAP, MAX_ENTRY_BYTES, Memory, cut_out
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.anthropic import Envelope

MIN_BYTES = 512
"""To recognise a shorter body takes as long as to read it."""
MAX_ALIKE = 16
"""How many of one session that begin alike are remembered: each is compared."""
_NAME_BYTES = 32
_END_BYTES = 128
"""How much of each end: a long part is found by its ends and compared as a whole, which is faster than a hash."""
_CLOSING = ord("]")
PLACE = b"[1]"
"""Stands for the messages."""

_ENVELOPE = msgspec.json.Decoder(Envelope)


class MoreThanMessages(Exception):
    """Between known surroundings there is more than the messages: the request has to be read anew, all of it."""


class Surroundings(msgspec.Struct, frozen=True):
    """All of a body but its messages."""

    head: bytes
    tail: bytes
    outside: bytes
    """Both, as `cut_out` gives them."""
    name: bytes
    """As `name_of` gives it."""
    model: str
    stream: bool | None
    renamed: dict[str, tuple[bytes, bytes]] = msgspec.field(default_factory=dict)
    """Head and tail with the name of another model: of each that was asked for."""

    def place_in(self, body: bytes) -> tuple[int, int]:
        """Where that stands, from and to, which is between them; it may be no list."""
        return len(self.head), len(body) - len(self.tail)


def name_of(outside: bytes) -> bytes:
    """The name under which surroundings are found again; others may have the same one."""
    return outside[:_END_BYTES] + outside[-_END_BYTES:]


class KnownSurroundings:
    """Those of requests that came more than once."""

    def __init__(self) -> None:
        self._known: Memory[tuple[Surroundings, ...]] = Memory()
        self._seen: Memory[bytes] = Memory()

    def find(self, body: bytes, session_id: str) -> Surroundings | None:
        """Those of a body, its messages not looked at; None: it has to be read."""
        for known in self._known.get(session_id, body[:_NAME_BYTES]) or ():
            start, end = known.place_in(body)
            # Whatever follows the messages in another request may be the tail's beginning: its stream, for instance.
            if start < end and body[end - 1] == _CLOSING and body.startswith(known.head) and body.endswith(known.tail):
                return known
        return None

    def see(self, body: bytes, session_id: str, messages: bytes) -> None:
        """Remembers what surrounds the messages of a body that was read, once the same has come again."""
        outside = cut_out(body, messages)
        name = outside[:_NAME_BYTES] + outside[-_NAME_BYTES:]
        if self._seen.get(session_id, name) == outside:
            self.learn(body, session_id, outside)
        else:
            self._seen.put(session_id, name, outside, len(outside))

    def learn(self, body: bytes, session_id: str, outside: bytes) -> None:
        """Remembers what `cut_out` left of a body that was read."""
        head, _, tail = outside.partition(GAP)
        if (made := _read(head, tail, outside)) is None:
            return
        name = body[:_NAME_BYTES]
        alike = [made, *(self._known.get(session_id, name) or ())][:MAX_ALIKE]
        while len(alike) > 1 and _size(alike) > MAX_ENTRY_BYTES // 2:
            alike.pop()
        self._known.put(session_id, name, tuple(alike), _size(alike))


def _read(head: bytes, tail: bytes, outside: bytes) -> Surroundings | None:
    """The surroundings; None where the list between them is not what a reader takes for the messages."""
    try:
        envelope = _ENVELOPE.decode(head + PLACE + tail)
    except UNREADABLE:
        return None
    if bytes(envelope.messages) != PLACE:
        return None
    return Surroundings(head, tail, outside, name_of(outside), envelope.model, envelope.stream)


def _size(alike: list[Surroundings]) -> int:
    return sum(2 * len(known.outside) for known in alike)
