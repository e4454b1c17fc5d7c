"""What was already looked at of conversations that pass through: in the next turn only the new part is."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.anthropic import may_hold_carriers
from llm_to_anthropic.translators.memory.conversation import KEPT_BACK, MAX_BYTES, NAME_BYTES, beginning, rest_of
from llm_to_anthropic.translators.memory.memory import Memory
from llm_to_anthropic.translators.memory.surroundings import Surroundings
from llm_to_anthropic.wire import UNREADABLE

_RAW_LIST = msgspec.json.Decoder(list[Raw])


class KnownBeginnings:
    """Beginnings of lists of messages: they are JSON, and there is nothing in them that this proxy has made."""

    def __init__(self) -> None:
        self._known: Memory[bytes] = Memory(max_entry_bytes=MAX_BYTES)

    def unseen(self, body: bytes, around: Surroundings, session_id: str) -> bytes | None:
        """The messages between known surroundings that were not seen before, as a list.

        None where what stands there is more than a list, or none: nothing is known of such a body.
        """
        start, end = around.place_in(body)
        name = body[start : start + NAME_BYTES]
        known = self._known.get(session_id, name)
        rest = rest_of(known, body, start, end) if known else None
        unseen = body[start:end] if rest is None else rest
        try:
            messages = _RAW_LIST.decode(unseen)
        except UNREADABLE:
            return None
        if rest is not None and not messages:
            return None  # a comma behind the last message
        if len(messages) > KEPT_BACK and not may_hold_carriers(unseen):
            kept = beginning(body[start:end], messages[-KEPT_BACK:])
            self._known.put(session_id, name, kept, len(kept))
        return unseen
