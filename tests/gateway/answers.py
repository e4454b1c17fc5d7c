"""Good and bad answers of an upstream, by protocol."""

from __future__ import annotations

import pytest

from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import Answer, Cut, Delay, Line, Reset, Stall, anthropic, openai_chat, stream, whole
from llm_to_anthropic.scripted.script import HeaderList
from tests.translators.gemini_answers import chunk, text

PROTOCOLS: tuple[Protocol, ...] = ("openai_chat", "gemini", "anthropic")
Ending = tuple[bytes | Cut | Reset | Stall | Delay, ...]
NO_END = [
    pytest.param((Stall(),), id="silence"),
    pytest.param((Reset(),), id="connection reset"),
    pytest.param((Cut(),), id="connection closed"),
    pytest.param((b": alive\n\n", Delay(0.02)) * 50 + (Stall(),), id="comments without end"),
]
"""What may come of a stream that has said all, in place of its end."""


def good(protocol: Protocol, words: str = "hello", *, streamed: bool) -> Answer:
    """A message that says `words`."""
    line = Line(text=words)
    match protocol:
        case "anthropic" if streamed:
            return stream(*anthropic.events(line, "m"))
        case "anthropic":
            return whole(anthropic.message(line, "m"))
        case "gemini":
            return stream(chunk(text(words), finish="STOP"))
        case _:
            return stream(*openai_chat.chunks(line, "m")) if streamed else whole(openai_chat.completion(line, "m"))


def bad(protocol: Protocol, status: int, words: str = "no", *, headers: HeaderList = ()) -> Answer:
    """An error in the protocol's form."""
    match protocol:
        case "anthropic":
            body: dict[str, object] = anthropic.error(words, type="api_error")
        case "gemini":
            body = {"error": {"code": status, "message": words}}
        case _:
            body = openai_chat.error(words, type="")
    return whole(body, status=status, headers=headers)
