"""A message put together from the events of its stream, where a server streams to a client that wants it whole."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from llm_to_anthropic.sse import SseDecoder
from llm_to_anthropic.translators.argument_json import is_object
from llm_to_anthropic.wire import UNREADABLE

_DONE = b"[DONE]"
"""The end of OpenAI's streams, which some servers send for every API."""
_PIECES = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
"""The member by which a delta adds to what came before."""
_STATES = {"signature_delta": ("signature",), "compaction_delta": ("content", "encrypted_content")}
"""The members that a delta brings in full."""

_Object = dict[str, object]


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Object | None = None
    content_block: _Object | None = None
    delta: _Object = {}
    usage: _Object | None = None
    context_management: object = UNSET
    error: object = None


_EVENT = msgspec.json.Decoder(_Event)


def gathered(stream: bytes) -> bytes | None:
    """The message that a stream is, or the error that ends it; None where it is neither, or the end is missing."""
    decoder, gathering = SseDecoder(), _Gathering()
    for data in [*decoder.feed(stream), *decoder.close()]:
        if data == _DONE:
            continue
        try:
            event = _EVENT.decode(data)
        except UNREADABLE:
            return None
        if event.error is not None:
            return data
        if event.type == "message_stop":
            return gathering.message()
        gathering.take(event)
    return None


class _Gathering:
    """What the events said so far."""

    def __init__(self) -> None:
        self._message: _Object | None = None
        self._blocks: dict[int, _Object] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}

    def take(self, event: _Event) -> None:
        match event.type:
            case "message_start":
                self._message = event.message
            case "content_block_start" if event.content_block is not None:
                self._blocks[event.index] = event.content_block
            case "content_block_delta" if event.index in self._blocks:
                self._add(event.index, event.delta)
            case "message_delta" if self._message is not None:
                self._end(self._message, event)

    def message(self) -> bytes | None:
        if self._message is None:
            return None
        blocks = [self._block(index, self._blocks[index]) for index in sorted(self._blocks)]
        return msgspec.json.encode(self._message | {"content": [block for block in blocks if block is not None]})

    def _add(self, index: int, delta: _Object) -> None:
        kind = str(delta.get("type"))
        block = self._blocks[index]
        if kind == "citations_delta":
            self._cite(block, delta.get("citation"))
        elif (member := _PIECES.get(kind)) is not None:
            self._pieces.setdefault((index, member), []).append(str(delta.get(member) or ""))
        else:
            block.update({name: delta[name] for name in _STATES.get(kind, ()) if name in delta})

    @staticmethod
    def _cite(block: _Object, citation: object) -> None:
        cited = block.get("citations")
        if isinstance(cited, list):
            cited.append(citation)
        else:
            block["citations"] = [citation]

    @staticmethod
    def _end(message: _Object, event: _Event) -> None:
        message.update(event.delta)
        known = message.get("usage")
        told = {name: count for name, count in (event.usage or {}).items() if count is not None}
        message["usage"] = (known if isinstance(known, dict) else {}) | told
        if event.context_management is not UNSET:
            message["context_management"] = event.context_management

    def _block(self, index: int, block: _Object) -> _Object | None:
        """A block with all that came for it; None for a call that was cut off, which has no input to give."""
        for member in ("text", "thinking"):
            if pieces := self._pieces.get((index, member)):
                block[member] = str(block.get(member) or "") + "".join(pieces)
        if arguments := "".join(self._pieces.get((index, "partial_json"), ())).strip():
            if not is_object(arguments):
                return None
            block["input"] = Raw(arguments.encode())  # as it came: numbers keep their form
        return block
