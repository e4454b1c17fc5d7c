"""Which of OpenAI's two APIs serves a model best, by model name, as data.

All patterns that match the model's name apply, in this order, so a later row refines an earlier one. What no row
knows (a deployment with a name of its own) is reached by Chat Completions, which every server has.
As of November 2026; source: the vendor's model pages and the answers recorded of both APIs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from llm_to_anthropic.providers.families import Overrides, Rule, overrides_for

Api = Literal["openai_chat", "openai_responses"]


class Served(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which API a model is reached."""

    api: Api = "openai_chat"
    alone: bool = False
    """The other API does not have it."""


_RESPONSES: Overrides = {"api": "openai_responses"}
_RESPONSES_ALONE: Overrides = {"api": "openai_responses", "alone": True}
_CHAT_ALONE: Overrides = {"api": "openai_chat", "alone": True}

SERVED: tuple[Rule, ...] = (
    # What reasons keeps its reasoning from turn to turn on Responses alone.
    ("o[1-9]*", _RESPONSES),
    ("gpt-[5-9]*", _RESPONSES),
    ("o[1-9]-pro*", _RESPONSES_ALONE),
    ("gpt-[5-9]*-pro*", _RESPONSES_ALONE),
    ("gpt-[5-9]*-codex*", _RESPONSES_ALONE),
    ("codex-*", _RESPONSES_ALONE),
    ("*-deep-research*", _RESPONSES_ALONE),
    ("computer-use-preview*", _RESPONSES_ALONE),
    ("gpt-*-search-*", _CHAT_ALONE),
    ("gpt-audio*", _CHAT_ALONE),
    ("gpt-*-audio*", _CHAT_ALONE),
)


def served_by(model: str, rows: Iterable[Rule] = SERVED) -> Served:
    """The API by which OpenAI serves a model."""
    return msgspec.convert(overrides_for(model, rows), Served)
