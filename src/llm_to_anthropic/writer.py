"""The message writer: the only code that emits Anthropic stream events, and the owner of every rule of their order.

A translator says what comes, in the order in which its upstream says it; the writer makes a message of it. Two
writers share the rules: one emits events, the other builds the whole message, so that both always agree.
Source: platform.claude.com, Streaming Messages; what the official SDK accepts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.wire.anthropic import (
    CacheCreation,
    Message,
    MessageUsage,
    OutBlock,
    OutputTokensDetails,
    OutServerToolUse,
    OutText,
    OutThinking,
    OutToolUse,
    ServerToolUsage,
    StopDetails,
    WholeBlock,
)

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
_TEXT_DELTA = _DELTA + b'"text_delta","text":'
_THINKING_DELTA = _DELTA + b'"thinking_delta","thinking":'
_INPUT_DELTA = _DELTA + b'"input_json_delta","partial_json":'
_CITATION_DELTA = _DELTA + b'"citations_delta","citation":'
_SIGNATURE_DELTA = _DELTA + b'"signature_delta","signature":'
_BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_BLOCK_START = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":'
_TEXT_START = _BLOCK_START + b'{"type":"text","text":""}}\n\n'
_THINKING_START = _BLOCK_START + b'{"type":"thinking","thinking":"","signature":""}}\n\n'
_TOOL_START = _BLOCK_START + b'{"type":"tool_use","id":%b,"name":%b,"input":{}}}\n\n'

_encode = msgspec.json.encode

Kind = Literal["text", "thinking", "tool_use", "whole"]


def error_event(error: ApiError, request_id: str) -> bytes:
    """The event that ends a stream which has begun; nothing may follow it."""
    return b"event: error\ndata: " + error.envelope(request_id) + b"\n\n"


class _Waiting:
    """A block whose turn comes once the open tool call is complete."""

    __slots__ = ("block", "cut", "ended", "id", "key", "kind", "name", "pieces", "signature")

    def __init__(self, kind: Kind, *, key: int = -1, id: str = "", name: str = "") -> None:
        self.kind: Kind = kind
        self.key = key
        self.id = id
        self.name = name
        self.pieces: list[str] = []
        self.signature = ""
        self.ended = False
        self.cut = False
        self.block: WholeBlock | None = None


class MessageWriter(ABC):
    """One message. Whatever is said after `finish()` is not written."""

    def __init__(self, *, message_id: str, model: str, signature: str) -> None:
        """`model` is the client's name of it; `signature` closes thinking blocks that get none of their own."""
        self.message_id = message_id
        self.model = model
        self.started = False
        self.finished = False
        self.stop_reason: str | None = None
        self.calls = 0
        """Tool calls of this message so far, the waiting ones included."""
        self._signature = signature
        self._open: Kind | None = None
        self._key = -1
        self._index = -1
        self._waiting: list[_Waiting] = []

    @property
    def begun(self) -> bool:
        """Whether any block has been written."""
        return self._index >= 0

    def start(self) -> None:
        """Begins the message; else its first block does."""
        if not self.started:
            self.started = True
            self._message_start()

    def text(self, text: str) -> None:
        if text and (self._open == "text" or self._turn_of("text", text)):
            self._delta(text)

    def thinking(self, text: str) -> None:
        if text and (self._open == "thinking" or self._turn_of("thinking", text)):
            self._delta(text)

    def signature(self, signature: str) -> None:
        """Signs and closes the open thinking block; without one, a block without text carries the signature."""
        if self.finished:
            return
        if self._open == "tool_use":
            self._tail("thinking").signature = signature
            return
        if self._open != "thinking":
            self._begin("thinking")
        self._end(signature)

    def whole_block(self, block: WholeBlock) -> None:
        """A block that is complete at once: a cited text, a server tool's call or its result."""
        if self.finished:
            return
        if self._open == "tool_use":
            self._tail("whole").block = block
        else:
            self._write_whole(block)

    def open_tool(self, key: int, id: str, name: str) -> None:
        """Begins the tool call `key`, an arbitrary number of the translator's, different for each call."""
        if self.finished:
            return
        self.calls += 1
        if self._open == "tool_use":
            self._waiting.append(_Waiting("tool_use", key=key, id=id, name=name))
        else:
            self._key = key
            self._begin("tool_use", id, name)

    def tool_arguments(self, key: int, fragment: str) -> None:
        """A piece of the call's input. All pieces together are a JSON object, or nothing."""
        if not fragment:
            return
        if self._open == "tool_use" and self._key == key:
            self._delta(fragment)
        elif waiting := self._call(key):
            waiting.pieces.append(fragment)

    def close_tool(self, key: int, *, cut: bool = False) -> None:
        """The call is complete, or `cut` by the token limit: then its input may be the beginning of an object."""
        if self._open == "tool_use" and self._key == key:
            self._end(cut=cut)
            self._write_waiting()
        elif waiting := self._call(key):
            waiting.ended, waiting.cut = True, cut

    def finish(
        self,
        stop_reason: str,
        usage: Usage,
        *,
        stop_sequence: str | None = None,
        stop_details: StopDetails | None = None,
    ) -> None:
        """Closes what is open and ends the message.

        A client acts on `tool_use` alone and waits for ever where no call came with it: so `end_turn` and
        `tool_use` are made to fit the blocks.
        """
        if self.finished:
            return
        self.start()
        for waiting in self._waiting:
            waiting.ended = True
        self._end()
        self._write_waiting()
        self._end()
        if stop_reason in ("end_turn", "tool_use"):
            stop_reason = "tool_use" if self.calls else "end_turn"
        self.stop_reason = stop_reason
        self.finished = True
        self._message_end(stop_reason, stop_sequence, stop_details, usage)

    def _turn_of(self, kind: Kind, text: str) -> bool:
        """Opens a block of the kind, unless it has to wait behind a tool call or comes too late."""
        if self.finished:
            return False
        if self._open == "tool_use":
            self._tail(kind).pieces.append(text)
            return False
        self._begin(kind)
        return True

    def _begin(self, kind: Kind, id: str = "", name: str = "") -> None:
        self.start()
        self._end()
        self._open = kind
        self._index += 1
        self._block_start(kind, id, name)

    def _write_whole(self, block: WholeBlock) -> None:
        self.start()
        self._end()
        self._index += 1
        self._whole_block(block)

    def _end(self, signature: str = "", *, cut: bool = False) -> None:
        if self._open is None:
            return
        if self._open == "thinking":
            self._sign(signature or self._signature)
        self._block_stop(cut=cut)
        self._open = None

    def _tail(self, kind: Kind) -> _Waiting:
        last = self._waiting[-1] if self._waiting else None
        if last is None or last.kind != kind or last.signature or last.block:
            last = _Waiting(kind)
            self._waiting.append(last)
        return last

    def _call(self, key: int) -> _Waiting | None:
        return next((waiting for waiting in self._waiting if waiting.key == key and not waiting.ended), None)

    def _write_waiting(self) -> None:
        while self._waiting and self._open != "tool_use":
            self._write(self._waiting.pop(0))

    def _write(self, block: _Waiting) -> None:
        if block.block is not None:
            self._write_whole(block.block)
            return
        text = "".join(block.pieces)
        if block.kind != "tool_use":
            self._write_words(block.kind, text, block.signature)
            return
        self._key = block.key
        self._begin("tool_use", block.id, block.name)
        if text:
            self._delta(text)
        if block.ended:
            self._end(cut=block.cut)

    def _write_words(self, kind: Kind, text: str, signature: str) -> None:
        if kind == "text":
            self.text(text)
            return
        self.thinking(text)
        if signature:
            self.signature(signature)

    @abstractmethod
    def _message_start(self) -> None: ...

    @abstractmethod
    def _block_start(self, kind: Kind, id: str, name: str) -> None: ...

    @abstractmethod
    def _delta(self, text: str) -> None:
        """A piece of the open block: text, thinking or input."""

    @abstractmethod
    def _sign(self, signature: str) -> None: ...

    @abstractmethod
    def _block_stop(self, *, cut: bool) -> None: ...

    @abstractmethod
    def _whole_block(self, block: WholeBlock) -> None: ...

    @abstractmethod
    def _message_end(
        self, stop_reason: str, stop_sequence: str | None, stop_details: StopDetails | None, usage: Usage
    ) -> None: ...


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

    def _message_start(self) -> None:
        message = Message(id=self.message_id, model=self.model, content=[], usage=_message_usage(Usage()))
        event = _encode({"type": "message_start", "message": message})
        self._out.append(b"event: message_start\ndata: %b\n\n%b" % (event, PING))

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

    def _block_stop(self, *, cut: bool) -> None:  # noqa: ARG002  a stream has sent its input already
        self._write_half()
        self._out.append(_BLOCK_STOP % self._index)

    def _whole_block(self, block: WholeBlock) -> None:
        index, start = self._index, _BLOCK_START % self._index
        match block:
            case OutServerToolUse():
                text = bytes(block.input).decode()
                block = OutServerToolUse(block.id, block.name, Raw(b"{}"))
                self._out.append(b"%b%b}\n\n" % (start, _encode(block)))
                self._out.append(b"%b%b}}\n\n" % (_INPUT_DELTA % index, _encode(text)))
            case OutText():
                self._out.append(_TEXT_START % index)
                self._out.append(b"%b%b}}\n\n" % (_TEXT_DELTA % index, _encode(sound(block.text))))
                for citation in block.citations or ():
                    self._out.append(b"%b%b}}\n\n" % (_CITATION_DELTA % index, _encode(citation)))
            case _:
                self._out.append(b"%b%b}\n\n" % (start, _encode(block)))
        self._out.append(_BLOCK_STOP % index)

    def _message_end(
        self, stop_reason: str, stop_sequence: str | None, stop_details: StopDetails | None, usage: Usage
    ) -> None:
        delta: dict[str, object] = {"stop_reason": stop_reason, "stop_sequence": stop_sequence}
        if stop_details is not None:
            delta["stop_details"] = stop_details
        counts: dict[str, object] = {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_creation_input_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens,
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"thinking_tokens": usage.thinking_tokens},
        }
        if (tools := _server_tools(usage)) is not None:
            counts["server_tool_use"] = tools
        event = _encode({"type": "message_delta", "delta": delta, "usage": counts})
        self._out.append(b"event: message_delta\ndata: %b\n\n%b" % (event, _MESSAGE_STOP))


class WholeWriter(MessageWriter):
    """Builds the whole message."""

    def __init__(self, *, message_id: str, model: str, signature: str) -> None:
        super().__init__(message_id=message_id, model=model, signature=signature)
        self._content: list[OutBlock] = []
        self._pieces: list[str] = []
        self._name = ("", "")
        self._signed = ""
        self._message: Message | None = None

    def message(self) -> bytes:
        """The message as JSON, after `finish()`."""
        return _encode(self._message)

    def _message_start(self) -> None:
        pass

    def _block_start(self, kind: Kind, id: str, name: str) -> None:
        self._pieces = []
        if kind == "tool_use":
            self._name = (sound(id), sound(name))

    def _delta(self, text: str) -> None:
        self._pieces.append(text)

    def _sign(self, signature: str) -> None:
        self._signed = signature

    def _block_stop(self, *, cut: bool) -> None:
        text = sound("".join(self._pieces))
        match self._open:
            case "text":
                self._content.append(OutText(text=text))
            case "thinking":
                self._content.append(OutThinking(thinking=text, signature=self._signed))
            case "tool_use" if not cut:
                # An input that was cut is no JSON; whoever waits for the whole message gets no half calls.
                id, name = self._name
                self._content.append(OutToolUse(id=id, name=name, input=Raw(text.encode() or b"{}")))

    def _whole_block(self, block: WholeBlock) -> None:
        self._content.append(block)

    def _message_end(
        self, stop_reason: str, stop_sequence: str | None, stop_details: StopDetails | None, usage: Usage
    ) -> None:
        self._message = Message(
            id=self.message_id,
            model=self.model,
            content=self._content,
            stop_reason=stop_reason,
            stop_sequence=stop_sequence,
            stop_details=stop_details,
            usage=_message_usage(usage),
        )


def sound(text: str) -> str:
    """The text with the halves of surrogate pairs joined, and lone ones replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _message_usage(usage: Usage) -> MessageUsage:
    return MessageUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_creation_input_tokens=usage.cache_creation_input_tokens,
        cache_read_input_tokens=usage.cache_read_input_tokens,
        cache_creation=CacheCreation(ephemeral_5m_input_tokens=usage.cache_creation_input_tokens),
        output_tokens_details=OutputTokensDetails(thinking_tokens=usage.thinking_tokens),
        server_tool_use=_server_tools(usage),
        service_tier=usage.service_tier,
    )


def _server_tools(usage: Usage) -> ServerToolUsage | None:
    searches, fetches = usage.web_search_requests, usage.web_fetch_requests
    if not searches and not fetches:
        return None
    return ServerToolUsage(web_search_requests=searches, web_fetch_requests=fetches)
