"""Refusals of a Chat Completions server, and a translator that learns from them."""

from __future__ import annotations

import json

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.openai_chat.translator import OpenAIChatTranslator

OPENAI = ChatQuirks(efforts=("minimal", "low", "medium", "high"), strict=True, store=True, system_role="developer")


def heal(made: OpenAIChatTranslator, body: object, status: int = 400) -> bool:
    raw = json.dumps(body).encode()
    return made.heal(made.decode_error(status, {}, raw), raw)


def refusal(message: str, param: str | None = None) -> object:
    return {"error": {"message": message, "param": param, "type": "invalid_request_error"}}


def of_provider(raw: str) -> object:
    """What OpenRouter makes of the refusal of a provider behind it."""
    return {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}}
