"""The message as one JSON object."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.wire.anthropic import (
    Message,
    OutBlock,
    OutText,
    OutThinking,
    OutToolUse,
    SearchCitation,
    WholeBlock,
)
from llm_to_anthropic.writer.message_usage import message_usage
from llm_to_anthropic.writer.sound import sound
from llm_to_anthropic.writer.writer import Ending, Kind, MessageWriter

_encode = msgspec.json.encode


def text_message(message_id: str, model: str, text: bytes, stop_reason: str, usage: Usage) -> bytes:
    """A message of one text, which is a JSON string already; what a WholeWriter makes of the same."""
    written = usage.cache_creation_input_tokens
    return _TEXT_MESSAGE % (
        _encode(message_id),
        _encode(model),
        text,
        _encode(stop_reason),
        usage.input_tokens,
        usage.output_tokens,
        written,
        usage.cache_read_input_tokens,
        written,
        usage.thinking_tokens,
        _encode(usage.service_tier),
    )


def _text_template() -> bytes:
    """Such a message with places for its values, in their order."""
    usage = Usage(
        input_tokens=101,
        output_tokens=102,
        cache_creation_input_tokens=103,
        cache_read_input_tokens=104,
        thinking_tokens=105,
        service_tier="?",
    )
    message = Message(id="?", model="?", content=[OutText(text="?")], stop_reason="?", usage=message_usage(usage))
    template = _encode(message).replace(b'"?"', b"%b")
    for number in range(101, 106):
        template = template.replace(b"%d" % number, b"%d")
    return template


_TEXT_MESSAGE = _text_template()


class WholeWriter(MessageWriter):
    """Builds the whole message."""

    def __init__(self, *, message_id: str, model: str, signature: str) -> None:
        super().__init__(message_id=message_id, model=model, signature=signature)
        self._content: list[OutBlock] = []
        self._pieces: list[str] = []
        self._citations: list[SearchCitation] = []
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

    def _cite(self, citation: SearchCitation) -> None:
        self._citations.append(citation)

    def _block_stop(self, *, cut: bool) -> None:
        text = sound("".join(self._pieces))
        match self._open:
            case "text":
                self._content.append(OutText(text=text))
            case "cited":
                self._content.append(OutText(text=text, citations=self._citations))
                self._citations = []
            case "thinking":
                self._content.append(OutThinking(thinking=text, signature=self._signed))
            case "tool_use" if not cut:
                # An input that was cut is no JSON; whoever waits for the whole message gets no half calls.
                id, name = self._name
                self._content.append(OutToolUse(id=id, name=name, input=Raw(text.encode() or b"{}")))

    def _whole_tool(self, id: str, name: str, arguments: str) -> None:
        self._content.append(OutToolUse(id=sound(id), name=sound(name), input=Raw(sound(arguments).encode())))

    def _whole_block(self, block: WholeBlock) -> None:
        self._content.append(block)

    def _message_end(self, ending: Ending, usage: Usage) -> None:
        self._message = Message(
            id=self.message_id,
            model=self.model,
            content=self._content,
            stop_reason=ending.stop_reason,
            stop_sequence=ending.stop_sequence,
            stop_details=ending.stop_details,
            container=ending.container or UNSET,
            usage=message_usage(usage),
        )
