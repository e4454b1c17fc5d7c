"""Builds requests and encodes them for Gemini models."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llm_to_anthropic.providers.catalog import limits_for
from llm_to_anthropic.providers.gemini_families import gemini_quirks_for
from llm_to_anthropic.providers.provider import Backend, Credential, Provider, Target
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.gemini.encoding import GeminiEncoding
from llm_to_anthropic.translators.gemini.request import encode_gemini, encode_gemini_count
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.translator import ClientRequest
from tests.translators.chat_requests import HI

Json = Any

OLD = "gemini-2.5-flash"
NEW = "gemini-3-pro-preview"
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
CODE = {"type": "code_execution_20250825", "name": "code_execution"}


def target(model: str = OLD, *, backend: Backend = "dev", **quirks: object) -> Target:
    provider = Provider(
        name="gemini",
        protocol="gemini",
        base_url="http://gemini.test/v1beta",
        credential=Credential(),
        backend=backend,
        quirks=tuple(quirks.items()),
    )
    return Target(
        provider=provider,
        model=model,
        protocol="gemini",
        limits=limits_for(model),
        gemini=gemini_quirks_for(provider, model),
    )


def a_client(request: Json, *, strict: bool = False) -> ClientRequest:
    """A client's request; `model`, `max_tokens` and `messages` are filled in unless given."""
    body = msgspec.json.encode({"model": "claude-x", "max_tokens": 1000, "messages": HI} | request)
    return ClientRequest(
        body=body, model="claude-x", stream=True, request_id="req_1", message_id="msg_1", strict=strict
    )


def encoded(
    request: Json,
    model: str = OLD,
    *,
    backend: Backend = "dev",
    strict: bool = False,
    unsigned: bool = False,
    **quirks: object,
) -> Encoded[GeminiEncoding]:
    client = a_client(request, strict=strict)
    client.unsigned = unsigned
    to = target(model, backend=backend, **quirks)
    return encode_gemini(decode_request(client.body), client, to)


def upstream(request: Json, model: str = OLD, **quirks: Json) -> Json:
    """The upstream's body, decoded."""
    return msgspec.json.decode(encoded(request, model, **quirks).body)


def counted(request: Json, model: str = OLD, *, backend: Backend = "dev") -> Json:
    """The body of countTokens, decoded."""
    client = a_client(request)
    body = encode_gemini_count(decode_request(client.body, counting=True), client, target(model, backend=backend))
    return msgspec.json.decode(body)


def contents(*turns: Json, model: str = OLD, **quirks: Json) -> Json:
    """The upstream's contents for a conversation."""
    return upstream({"messages": list(turns)}, model, **quirks)["contents"]


def carried(*items: Json, model: str = NEW, route: str = "dev", thinking: str = "") -> Json:
    """A thinking block whose signature carries these items."""
    raw = [Raw(msgspec.json.encode(item)) for item in items]
    carrier = Carrier(vendor="g", provider="gemini", model=model, route=route, items=raw)
    return {"type": "thinking", "thinking": thinking, "signature": encode_carrier(carrier)}


def lost(done: Encoded[GeminiEncoding]) -> list[str]:
    """The paths of what was lost."""
    return [loss.path for loss in done.encoding.losses]
