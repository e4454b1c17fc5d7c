"""The stream of an answer that the client wants as a whole: its last event tells all of it once more.

So what comes before is put by, and read only where the last event does not hold as many items: some servers send it
empty. Source: OpenAI's API reference, `response.completed`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.sse import SseDecoder
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.anthropic import NO_RAW
from llm_to_anthropic.wire.openai_responses_answer import Response


class _Item(msgspec.Struct, gc=False):
    type: str


class _ToldItem(msgspec.Struct, gc=False):
    type: str
    content: Raw = NO_RAW
    arguments: Raw = NO_RAW


class _Event(msgspec.Struct):
    type: str
    item: _Item | None = None
    response: Response | None = None


_EVENT = msgspec.json.Decoder(_Event)
_ITEM = msgspec.json.Decoder(_ToldItem)
_NOTHING = frozenset({b"", b"[]", b'""', b"null"})

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
"""The last event may tell other items differently: it sums up and encrypts reasoning anew."""
_COMPLETE = frozenset({"response.completed", "response.done", "response.incomplete"})
_UNREAD = _HELD - {_ITEM_BEGINS, _ITEM_ENDS}
"""Put by whatever they hold."""
_BEGINNING_BYTES = 42
_BEGINNINGS = {
    (b'event: %b\ndata: {"type":"%b",' % (kind.encode(), kind.encode()))[:_BEGINNING_BYTES]: (
        len(f"event: {kind}"),
        kind in _UNREAD,
    )
    for kind in _HELD | _COMPLETE
}
"""How an event begins, as OpenAI writes it -> where its first line ends, and whether it need not be read."""


class HeldEvents(SseDecoder):
    """Gives no events until the answer's last, or one that has to be read as it comes, with all before it."""

    __slots__ = ("_begun", "_ended", "_held", "last")

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] | None = []
        """None: nothing more is to be held."""
        self.last: Response | None = None
        """The whole answer, once its last event has told it."""
        self._begun = 0
        self._ended = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that has to be read now. Raises UpstreamProtocolError for one over 8 MiB."""
        held = self._held
        if held is not None and (begins := _BEGINNINGS.get(data[:_BEGINNING_BYTES])) is not None:
            end, unread = begins
            # One event of two lines in one read: the usual case, which need not be looked through.
            alone = data.rfind(b"\n", 0, -2) == end and data[-2:] == b"\n\n"
            if alone and not self._kept and not self._after_cr:
                if not unread:
                    return self._to_be_read([data[end + 7 : -2]])
                held.append(data)
                return []
        return self._to_be_read(super().feed(data))

    def close(self) -> list[bytes]:
        """The answer is at its end: an event without its blank line counts too."""
        return self._to_be_read(super().close())

    def _to_be_read(self, events: list[bytes]) -> list[bytes]:
        for number, event in enumerate(events):
            if self._held is None:
                return events[number:]
            if not self._hold(event, self._held):
                before, self._held = self._held, None
                told = () if self.last is not None else map(_data_of, before)
                return [*told, *events[number:]]
        return []

    def _hold(self, data: bytes, held: list[bytes]) -> bool:
        """Puts an event by; False where it has to be read."""
        try:
            event = _EVENT.decode(data)
        except UNREADABLE:
            return False
        kind = event.type
        if kind not in _HELD or not (event.item is None or event.item.type in _ITEMS):
            if kind in _COMPLETE and event.response is not None and self._tells_all(kind, event.response):
                self.last = event.response
            return False
        self._begun += kind == _ITEM_BEGINS
        self._ended += kind == _ITEM_ENDS
        held.append(data)
        return True

    def _tells_all(self, kind: str, answer: Response) -> bool:
        """Whether the last event holds all that was told before it, and how it ended."""
        output = answer.output or ()
        ending = answer.status is not None or kind != "response.incomplete"
        return ending and len(output) >= max(self._begun, self._ended, 1) and all(map(_is_told, output))


def _is_told(raw: Raw) -> bool:
    """Whether an item of the last event is more than its name."""
    try:
        item = _ITEM.decode(raw)
    except UNREADABLE:
        return False
    return item.type not in _ITEMS or bytes(item.content or item.arguments) not in _NOTHING


def _data_of(held: bytes) -> bytes:
    """Reads an event that was put by as it came; those read before begin as JSON."""
    return held[held.find(b"\n") + 7 : -2] if held[:7] == b"event: " else held
