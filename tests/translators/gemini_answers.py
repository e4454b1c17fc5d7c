"""Feeds invented Gemini answers to a translator and reads what the client gets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from llm_to_anthropic.providers.provider import Credential, ModelLimits, Provider, Secret, Target
from llm_to_anthropic.providers.quirks import GeminiQuirks
from llm_to_anthropic.translators.carrier import decode_carrier
from llm_to_anthropic.translators.gemini.translator import GeminiTranslator
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from tests.messages import Event, grammar_problems, parse_events, rebuild
from tests.translators.reading import failed_answer, feed

Json = Any

NOW = 1_700_000_000.0
MODEL = "gemini-3-pro"
TOOLS = [{"name": "look", "description": "Looks", "input_schema": {"type": "object", "properties": {"at": {}}}}]
SEARCH = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
FETCH = {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}
CODE = {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}
OFF = {"thinking": {"type": "disabled"}}
ADAPTIVE = {"thinking": {"type": "adaptive", "display": "omitted"}}


def target(quirks: GeminiQuirks | None = None, model: str = MODEL) -> Target:
    provider = Provider(
        name="gemini",
        protocol="gemini",
        base_url="http://gemini.test/v1beta",
        credential=Credential(key=Secret("test-key"), variable="GEMINI_API_KEY"),
    )
    return Target(
        provider=provider,
        model=model,
        protocol="gemini",
        limits=ModelLimits(context_window=1_000_000),
        gemini=quirks or GeminiQuirks(),
    )


def translator(
    request: Json | None = None,
    quirks: GeminiQuirks | None = None,
    *,
    stream: bool = True,
    learned: Learned | None = None,
    model: str = MODEL,
) -> GeminiTranslator:
    """A translator whose request is encoded."""
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": "claude-x", "max_tokens": 1000, "messages": messages, "stream": stream} | (request or {})
    made = GeminiTranslator(
        ClientRequest(
            body=msgspec.json.encode(body), model="claude-x", stream=stream, request_id="req_1", message_id="msg_1"
        ),
        target(quirks, model),
        learned or Learned(),
        now=lambda: NOW,
    )
    made.encode()
    return made


def text(text: str, **members: Json) -> Json:
    return {"text": text} | members


def thought(text: str, **members: Json) -> Json:
    return {"text": text, "thought": True} | members


def call(name: str = "look", args: Json = None, *, id: str | None = None, signature: str | None = None) -> Json:
    function = {"name": name, "args": args, "id": id}
    part: Json = {"functionCall": {key: value for key, value in function.items() if value is not None}}
    return part | ({"thoughtSignature": signature} if signature else {})


def usage(prompt: int = 10, output: int = 5, **members: Json) -> Json:
    total = prompt + output + members.get("thoughtsTokenCount", 0)
    return {"promptTokenCount": prompt, "candidatesTokenCount": output, "totalTokenCount": total} | members


def answer(*parts: Json, finish: str | None = None, **members: Json) -> Json:
    """A chunk, or a whole answer; members beside the content go into the candidate."""
    candidate: Json = {"index": 0} | members
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage()}


def data(chunk: Json) -> bytes:
    """One event, with the line ends that Google sends."""
    return b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n"


def chunk(*parts: Json, finish: str | None = None, **members: Json) -> bytes:
    return data(answer(*parts, finish=finish, **members))


def streamed(*slices: bytes, request: Json | None = None, quirks: GeminiQuirks | None = None) -> Event:
    """The message of a streamed answer, whose events must be legal."""
    return rounds(slices, request=request, quirks=quirks)


def rounds(*answers: Iterable[bytes], request: Json | None = None, quirks: GeminiQuirks | None = None) -> Event:
    """The message of one answer after the other, streamed and whole alike."""
    made, other = translator(request, quirks), translator(request, quirks, stream=False)
    first, *more = map(list, answers)
    events = parse_events(feed(made, first, *more))
    assert feed(other, first, *more) == b""
    assert made.failure is None, made.failure.message
    assert grammar_problems(events) == []
    message = rebuild(events)
    whole = json.loads(other.message())
    assert without_nulls(message["content"]) == without_nulls(whole["content"])
    assert [message[key] for key in ("stop_reason", "stop_sequence", "stop_details")] == [
        whole[key] for key in ("stop_reason", "stop_sequence", "stop_details")
    ]
    return message


def without_nulls(blocks: list[Event]) -> list[Event]:
    return [{key: value for key, value in block.items() if value is not None} for block in blocks]


def failure(*slices: bytes, request: Json | None = None) -> tuple[int, str, str]:
    """(status, type, message) of an answer that fails, streamed and whole."""
    return failed_answer(translator(request), translator(request, stream=False), slices)


def kinds(message: Event) -> list[str]:
    return [block["type"] for block in message["content"]]


def texts(message: Event) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def carried(block: Event) -> list[Json]:
    """What the signature of a thinking block carries."""
    carrier = decode_carrier(block["signature"])
    assert carrier is not None
    assert (carrier.vendor, carrier.model, carrier.route) == ("g", MODEL, "dev")
    return [json.loads(bytes(item)) for item in carrier.items]
