"""Builds requests and encodes them for OpenAI Responses."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llm_to_anthropic.providers.catalog import limits_for
from llm_to_anthropic.providers.provider import Credential, Provider, Target
from llm_to_anthropic.providers.quirks import ResponsesQuirks
from llm_to_anthropic.providers.responses_families import responses_quirks_for
from llm_to_anthropic.translators.carrier import encode_carrier
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.openai_responses.carrier import empty_carrier, phases_item
from llm_to_anthropic.translators.openai_responses.encoding import ResponsesEncoding
from llm_to_anthropic.translators.openai_responses.request import encode_count, encode_responses
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.translator import ClientRequest
from tests.translators.chat_requests import HI

Json = Any

MODEL = "gpt-6.1-sol"
PLAIN = "gpt-4.1"
OFFICIAL = "https://api.openai.com/v1"
LOCAL = "http://localhost:8000/v1"


def target(model: str = MODEL, base_url: str = OFFICIAL, **quirks: object) -> Target:
    """One at OpenAI, unless the address says otherwise."""
    provider = Provider(name="acme", protocol="openai_responses", base_url=base_url, credential=Credential())
    known = responses_quirks_for(provider, model)
    return Target(
        provider=provider,
        model=model,
        protocol="openai_responses",
        limits=limits_for(model),
        responses=msgspec.convert(msgspec.structs.asdict(known) | quirks, ResponsesQuirks),
    )


def a_client(request: Json, *, strict: bool = False, session_id: str = "") -> ClientRequest:
    """A client's request; `model`, `max_tokens` and `messages` are filled in unless given."""
    body = msgspec.json.encode({"model": "claude-x", "max_tokens": 1000, "messages": HI} | request)
    return ClientRequest(
        body=body,
        model="claude-x",
        stream=bool(request.get("stream")),
        request_id="req_1",
        message_id="msg_1",
        strict=strict,
        session_id=session_id,
    )


def encoded(
    request: Json,
    model: str = MODEL,
    base_url: str = OFFICIAL,
    *,
    strict: bool = False,
    session_id: str = "",
    unsigned: bool = False,
    **quirks: object,
) -> Encoded[ResponsesEncoding]:
    client = a_client(request, strict=strict, session_id=session_id)
    client.unsigned = unsigned
    return encode_responses(decode_request(client.body), client, target(model, base_url, **quirks))


def upstream(request: Json, model: str = MODEL, base_url: str = OFFICIAL, **rest: Json) -> Json:
    """The upstream's body, decoded."""
    return msgspec.json.decode(encoded(request, model, base_url, **rest).body)


def counted(request: Json, model: str = MODEL) -> Json:
    """The body that has tokens counted, decoded."""
    client = a_client(request)
    return msgspec.json.decode(encode_count(decode_request(client.body, counting=True), client, target(model)))


def items(*turns: Json, **rest: Json) -> Json:
    """The upstream's input for a conversation."""
    return upstream({"messages": list(turns)}, **rest)["input"]


def lost(done: Encoded[ResponsesEncoding]) -> list[str]:
    """The paths of what was lost."""
    return [loss.path for loss in done.encoding.losses]


def reasoning_item(id: str = "rs_1") -> Json:
    return {"type": "reasoning", "id": id, "summary": [], "encrypted_content": "gAAAA"}


def carried(*made: Json, phases: list[str | None] | None = None, to: Target | None = None, thinking: str = "") -> Json:
    """A thinking block whose signature carries these items, and phases of the messages after it."""
    raw = [Raw(msgspec.json.encode(item)) for item in made]
    if phases is not None:
        raw.append(phases_item(phases))
    carrier = msgspec.structs.replace(empty_carrier(to or target()), items=raw)
    return {"type": "thinking", "thinking": thinking, "signature": encode_carrier(carrier)}
