"""Reads errors of servers that speak OpenAI's APIs, as a translator would."""

from __future__ import annotations

import json

import msgspec

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.providers.provider import Credential, ModelLimits, Secret
from llm_to_anthropic.translators.openai.errors import http_error
from llm_to_anthropic.translators.upstream_errors import ErrorContext
from tests.translators.chat_answers import NOW
from tests.translators.chat_requests import target


def context(*, window: int | None = None, credential: Credential | None = None) -> ErrorContext:
    made = target()
    provider = msgspec.structs.replace(
        made.provider, credential=credential or Credential(key=Secret("test-key"), variable="ACME_API_KEY")
    )
    limits = ModelLimits(context_window=window)
    return ErrorContext(
        target=msgspec.structs.replace(made, provider=provider, limits=limits),
        client_model="claude-x",
        prompt_tokens=1000,
    )


def error(
    status: int,
    body: object,
    headers: dict[str, str] | None = None,
    *,
    window: int | None = None,
    credential: Credential | None = None,
) -> ApiError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http_error(status, headers or {}, raw, context(window=window, credential=credential), NOW)
