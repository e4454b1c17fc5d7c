"""Feeds invented Chat Completions answers to a translator and reads what the client gets."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.openai_chat.translator import OpenAIChatTranslator
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from tests.messages import Event
from tests.translators.chat_requests import HI, target
from tests.translators.reading import failed_answer, streamed_message, whole_message

Json = Any

NOW = 1_700_000_000.0
DONE = b"data: [DONE]\n\n"


def translator(
    request: Json | None = None,
    quirks: ChatQuirks | None = None,
    *,
    stream: bool = True,
    learned: Learned | None = None,
) -> OpenAIChatTranslator:
    """A translator whose request is encoded."""
    return translator_of(chat_request(request, stream=stream), quirks, learned=learned)


def chat_request(request: Json | None = None, *, stream: bool = True) -> ClientRequest:
    body = {"model": "claude-x", "max_tokens": 100, "messages": HI, "stream": stream} | (request or {})
    return ClientRequest(
        body=msgspec.json.encode(body), model="claude-x", stream=stream, request_id="req_1", message_id="msg_1"
    )


def translator_of(
    request: ClientRequest, quirks: ChatQuirks | None = None, *, learned: Learned | None = None
) -> OpenAIChatTranslator:
    """One of several attempts at the same request."""
    made = OpenAIChatTranslator(request, target(quirks), learned or Learned(), now=lambda: NOW)
    made.encode()
    return made


def data(chunk: Json) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def delta(finish: str | None = None, **members: Json) -> bytes:
    """A chunk with one choice."""
    return data({"choices": [{"index": 0, "delta": members, "finish_reason": finish}]})


FINISH = delta("stop")


def call(index: int | None, *, id: str | None = None, name: str | None = None, arguments: Json = None) -> Json:
    """A call, or a piece of one, for `delta(tool_calls=[...])`."""
    function = {"name": name, "arguments": arguments}
    made = {"index": index, "id": id, "function": {key: value for key, value in function.items() if value is not None}}
    return {key: value for key, value in made.items() if value is not None}


def usage(prompt: int = 10, completion: int = 5, **members: Json) -> bytes:
    return data({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion} | members})


def whole(finish: str | None = "stop", **message: Json) -> bytes:
    """A whole answer as JSON."""
    answer = {
        "choices": [{"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }
    return json.dumps(answer).encode()


def streamed(*slices: bytes, request: Json | None = None, quirks: ChatQuirks | None = None) -> Event:
    """The message of a streamed answer, whose events must be legal."""
    return streamed_message(translator(request, quirks), slices)


def collected(*slices: bytes, request: Json | None = None, quirks: ChatQuirks | None = None) -> Event:
    """The whole message of an answer, for a client that does not stream."""
    return whole_message(translator(request, quirks, stream=False), slices)


def failure(*slices: bytes, request: Json | None = None) -> tuple[int, str, str]:
    """(status, type, message) of an answer that fails, streamed and whole."""
    return failed_answer(translator(request), translator(request, stream=False), slices)


def words(message: Event) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def kinds(message: Event) -> list[str]:
    return [block["type"] for block in message["content"]]


def inputs(message: Event) -> list[Any]:
    return [block["input"] for block in message["content"] if block["type"] == "tool_use"]
