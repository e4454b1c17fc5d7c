"""The stream of an answer that the client wants as a whole: its last event tells all of it once more.

So what comes before is put by, and read only where the last event does not hold as many items: some servers send it
empty. Source: OpenAI's API reference, `response.completed`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.openai_responses_loose import UNREADABLE


class _Item(msgspec.Struct, gc=False):
    type: str


class _Kind(msgspec.Struct):
    type: str
    item: _Item | None = None


class _Output(msgspec.Struct):
    output: list[Raw]


class _Last(msgspec.Struct):
    response: _Output


_KIND = msgspec.json.Decoder(_Kind)
_LAST = msgspec.json.Decoder(_Last)

_ITEM_BEGINS = "response.output_item.added"
_ITEM_ENDS = "response.output_item.done"
_HELD = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        _ITEM_BEGINS,
        _ITEM_ENDS,
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
    }
)
_ITEMS = frozenset({"message", "function_call"})
"""Of others the last event may tell another thing: reasoning is summed up and encrypted anew."""
_COMPLETE = frozenset({"response.completed", "response.done", "response.incomplete"})


class HeldEvents:
    """The events of one answer until its last, or the first that cannot be read."""

    __slots__ = ("_begun", "_ended", "_events")

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._begun = 0
        self._ended = 0

    def hold(self, data: bytes) -> list[bytes] | None:
        """Puts an event by. Not None: it has to be read now, after these; nothing more is to be held."""
        try:
            event = _KIND.decode(data)
        except UNREADABLE:
            return self._events
        kind = event.type
        if kind in _HELD and (event.item is None or event.item.type in _ITEMS):
            self._begun += kind == _ITEM_BEGINS
            self._ended += kind == _ITEM_ENDS
            self._events.append(data)
            return None
        return [] if kind in _COMPLETE and self._told_by(data) else self._events

    def _told_by(self, last: bytes) -> bool:
        """Whether the last event tells all that was told before it."""
        try:
            told = len(_LAST.decode(last).response.output)
        except UNREADABLE:
            return False
        return told > 0 and told >= max(self._begun, self._ended)
