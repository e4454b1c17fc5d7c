"""The message as server-sent events."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.wire.anthropic import (
    Message,
    OutCompaction,
    OutMcpToolUse,
    OutServerToolUse,
    OutText,
    SearchCitation,
    WholeBlock,
)
from llm_to_anthropic.writer.message_usage import message_usage, server_tools
from llm_to_anthropic.writer.sound import sound
from llm_to_anthropic.writer.writer import Ending, Kind, MessageWriter

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
_TEXT_DELTA = _DELTA + b'"text_delta","text":'
_THINKING_DELTA = _DELTA + b'"thinking_delta","thinking":'
_INPUT_DELTA = _DELTA + b'"input_json_delta","partial_json":'
_CITATION_DELTA = _DELTA + b'"citations_delta","citation":'
_SIGNATURE_DELTA = _DELTA + b'"signature_delta","signature":'
DELTA_TAIL = b"}}\n\n"
"""What follows a delta's text, which is a JSON string."""
_BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_BLOCK_START = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":'
_TEXT_START = _BLOCK_START + b'{"type":"text","text":""}}\n\n'
_THINKING_START = _BLOCK_START + b'{"type":"thinking","thinking":"","signature":""}}\n\n'
_COMPACTION = (
    _BLOCK_START
    + b'{"type":"compaction","content":null}}\n\n'
    + _DELTA
    + b'"compaction_delta","content":null,"encrypted_content":%b'
    + DELTA_TAIL
)
_TOOL_START = _BLOCK_START + b'{"type":"tool_use","id":%b,"name":%b,"input":{}}}\n\n'
_WHOLE_TOOL = _TOOL_START + _INPUT_DELTA + b"%b" + DELTA_TAIL + _BLOCK_STOP

_encode = msgspec.json.encode


def error_event(error: ApiError, request_id: str) -> bytes:
    """The event that ends a stream which has begun; nothing may follow it."""
    return b"event: error\ndata: " + error.envelope(request_id) + b"\n\n"


@lru_cache(maxsize=256)
def _around_id(model: str) -> tuple[bytes, bytes]:
    """The event that begins a message, and the ping, before and behind the id: nothing else in it changes."""
    message = Message(id="", model=model, content=[], usage=message_usage(Usage()))
    before, found, after = _encode({"type": "message_start", "message": message}).partition(b'"id":""')
    return b"event: message_start\ndata: " + before + found[:-2], after + b"\n\n" + PING


class StreamWriter(MessageWriter):
    """Emits the message as server-sent events; `take()` hands over what has gathered."""

    def __init__(self, *, message_id: str, model: str, signature: str) -> None:
        super().__init__(message_id=message_id, model=model, signature=signature)
        self._out: list[bytes] = []
        self._head = b""
        self._half = ""
        """The first half of a surrogate pair, at the end of a delta: the second half opens the next."""

    def take(self) -> bytes:
        """The events since the last call."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def delta_head(self, kind: Kind) -> bytes:
        return self._head if self._open == kind and not self._half else b""

    def json_delta(self, kind: Kind, text: bytes) -> bool:
        if self._open != kind or self._half:
            return False
        self._out.append(self._head + text + DELTA_TAIL)
        return True

    def deltas(self, events: bytes) -> None:
        """Events that were made with what `delta_head` gave."""
        self._out.append(events)

    def _message_start(self) -> None:
        before, after = _around_id(self.model)
        self._out.append(before + _encode(self.message_id) + after)

    def _block_start(self, kind: Kind, id: str, name: str) -> None:
        index = self._index
        match kind:
            case "text":
                self._out.append(_TEXT_START % index)
                self._head = _TEXT_DELTA % index
            case "thinking":
                self._out.append(_THINKING_START % index)
                self._head = _THINKING_DELTA % index
            case "tool_use":
                self._out.append(_TOOL_START % (index, _encode(sound(id)), _encode(sound(name))))
                self._head = _INPUT_DELTA % index

    def _delta(self, text: str) -> None:
        if self._half:
            text = self._half + text
            self._half = ""
        try:
            self._out.append(self._head + _encode(text) + b"}}\n\n")
        except UnicodeEncodeError:
            self._delta_with_surrogates(text)

    def _delta_with_surrogates(self, text: str) -> None:
        if "\ud800" <= text[-1] <= "\udbff":
            self._half = text[-1]
            text = text[:-1]
        if text:
            self._out.append(self._head + _encode(sound(text)) + b"}}\n\n")

    def _write_half(self) -> None:
        if self._half:
            self._half = ""
            self._delta("\ufffd")

    def _sign(self, signature: str) -> None:
        self._write_half()
        self._out.append(_SIGNATURE_DELTA % self._index + _encode(signature) + b"}}\n\n")

    def _cite(self, citation: SearchCitation) -> None:
        self._write_half()
        self._out.append(_CITATION_DELTA % self._index + _encode(citation) + b"}}\n\n")

    def _block_stop(self, *, cut: bool) -> None:  # noqa: ARG002  a stream has sent its input already
        self._write_half()
        self._out.append(_BLOCK_STOP % self._index)

    def _whole_tool(self, id: str, name: str, arguments: str) -> None:
        index = self._index
        told = _encode(sound(id)), _encode(sound(name)), index, _encode(sound(arguments))
        self._out.append(_WHOLE_TOOL % (index, *told, index))

    def _whole_block(self, block: WholeBlock) -> None:
        index, start = self._index, _BLOCK_START % self._index
        match block:
            case OutServerToolUse() | OutMcpToolUse():
                text = bytes(block.input).decode()
                block = msgspec.structs.replace(block, input=Raw(b"{}"))
                self._out.append(b"%b%b}\n\n" % (start, _encode(block)))
                self._out.append(b"%b%b}}\n\n" % (_INPUT_DELTA % index, _encode(text)))
            case OutText():
                self._out.append(_TEXT_START % index)
                self._out.append(b"%b%b}}\n\n" % (_TEXT_DELTA % index, _encode(sound(block.text))))
                for citation in block.citations or ():
                    self._out.append(b"%b%b}}\n\n" % (_CITATION_DELTA % index, _encode(citation)))
            case OutCompaction():
                self._out.append(_COMPACTION % (index, index, _encode(block.encrypted_content)))
            case _:
                self._out.append(b"%b%b}\n\n" % (start, _encode(block)))
        self._out.append(_BLOCK_STOP % index)

    def _message_end(self, ending: Ending, usage: Usage) -> None:
        delta: dict[str, object] = {"stop_reason": ending.stop_reason, "stop_sequence": ending.stop_sequence}
        if ending.stop_details is not None:
            delta["stop_details"] = ending.stop_details
        if ending.container is not None:
            delta["container"] = ending.container
        counts: dict[str, object] = {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_creation_input_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens,
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"thinking_tokens": usage.thinking_tokens},
        }
        if (tools := server_tools(usage)) is not None:
            counts["server_tool_use"] = tools
        event = _encode({"type": "message_delta", "delta": delta, "usage": counts})
        self._out.append(b"event: message_delta\ndata: %b\n\n%b" % (event, _MESSAGE_STOP))
