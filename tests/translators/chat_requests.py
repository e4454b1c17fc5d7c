"""Builds requests and encodes them for an invented Chat Completions upstream."""

from __future__ import annotations

from typing import Any

import msgspec

from llm_to_anthropic.providers.provider import Credential, ModelLimits, Provider, Target
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.openai_chat.encoding import ChatEncoding
from llm_to_anthropic.translators.openai_chat.request import encode_chat
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.translator import ClientRequest

Json = Any

OPENAI = ChatQuirks(
    max_tokens_field="max_completion_tokens",
    obfuscation=True,
    strict=True,
    max_tools=128,
    safety_identifier=True,
    prompt_cache_key=True,
    store=True,
    service_tier=True,
)
"""The quirks of api.openai.com with a model that does not reason."""

REASONING = msgspec.structs.replace(OPENAI, sampling=False, efforts=("minimal", "low", "medium", "high"), max_stop=0)
"""The same with one that does."""

HI: Json = [{"role": "user", "content": "hi"}]


def target(quirks: ChatQuirks | None = None, *, max_output: int | None = None) -> Target:
    provider = Provider(name="acme", protocol="openai_chat", base_url="http://acme.test", credential=Credential())
    return Target(
        provider=provider,
        model="acme-1",
        protocol="openai_chat",
        chat=quirks or ChatQuirks(),
        limits=ModelLimits(max_output=max_output),
    )


def encoded(
    request: Json,
    quirks: ChatQuirks | None = None,
    *,
    strict: bool = False,
    api_version: str = "2023-06-01",
    max_output: int | None = None,
    session_id: str = "",
) -> Encoded[ChatEncoding]:
    """Encodes a request; `model`, `max_tokens` and `messages` are filled in unless given."""
    body = msgspec.json.encode({"model": "claude-x", "max_tokens": 100, "messages": HI} | request)
    client = ClientRequest(
        body=body,
        model="claude-x",
        stream=bool(request.get("stream")),
        request_id="req_1",
        message_id="msg_1",
        api_version=api_version,
        session_id=session_id,
        strict=strict,
    )
    return encode_chat(decode_request(body), client, target(quirks, max_output=max_output))


def upstream(request: Json, quirks: ChatQuirks | None = None) -> Json:
    """The upstream's body, decoded."""
    return msgspec.json.decode(encoded(request, quirks).body)


def messages(*turns: Json, quirks: ChatQuirks | None = None) -> Json:
    """The upstream's messages for a conversation."""
    return upstream({"messages": list(turns)}, quirks)["messages"]


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def text(value: str) -> Json:
    return {"type": "text", "text": value}


def call(id: str, name: str = "look", **arguments: Json) -> Json:
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def result(id: str, content: Json = "done", **rest: Json) -> Json:
    return {"type": "tool_result", "tool_use_id": id, "content": content} | rest


def image(data: str = "AAAA") -> Json:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def pdf(data: str = "JVBE", **rest: Json) -> Json:
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}} | rest


def tool(name: str = "look", **rest: Json) -> Json:
    return {"name": name, "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}} | rest


def lost(done: Encoded[ChatEncoding]) -> list[str]:
    """The paths of what was lost."""
    return [loss.path for loss in done.encoding.losses]


def paired(done: list[Json]) -> bool:
    """Whether every call is followed at once by one tool message with its id, and no other tool message exists."""
    waiting: list[str] = []
    for message in done:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return False
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return False
        waiting = [each["id"] for each in message.get("tool_calls", [])]
    return not waiting
