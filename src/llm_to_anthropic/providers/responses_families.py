"""What models and servers of OpenAI Responses take and refuse: quirk overrides by model name, as data.

All patterns that match the model's name apply, in this order, so a later row refines an earlier one. A name that
no row knows is taken for a new model, by the newest rules: the standard.
As of November 2026; source: OpenAI's model pages and the recorded answers of twelve vendors.
"""

from __future__ import annotations

import msgspec

from llm_to_anthropic.providers.families import NOT_REASONING, Overrides, Rule, overrides_for
from llm_to_anthropic.providers.presets import COMPATIBLE_RESPONSES, known_quirks, preset_of
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.providers.quirks import ResponsesQuirks

_REASONING: Overrides = {"summaries": True, "encrypted_content": True}
_OF_EVERY_API = ("efforts", "reasons", "sampling")
"""What is a trait of the model, whichever API it is asked by: families.py has it."""

FAMILIES: tuple[Rule, ...] = (
    ("gpt-[34]*", NOT_REASONING),
    ("chatgpt-*", NOT_REASONING),
    ("o[1-9]*", _REASONING),
    ("o1-pro*", {"streams": "never"}),
    ("gpt-[5-9]*", _REASONING),
    ("gpt-5-chat*", NOT_REASONING),
    ("codex-mini*", {**_REASONING, "efforts": ("low", "medium", "high"), "sampling": False}),
    ("*gpt-oss*", {"summaries": False, "encrypted_content": False, "sampling": True}),
    ("grok-[4-9]*", {"encrypted_content": True}),
)

_GATEWAY: Overrides = {
    "compaction": True,
    "hosted": ("web_search", "code_interpreter", "mcp"),
    "file_urls": True,
    "max_tools": 128,
    "count_tokens": True,
}
BEHIND_GATEWAYS: tuple[Rule, ...] = (
    ("gpt-[3-9]*", _GATEWAY),
    ("chatgpt-*", _GATEWAY),
    ("o[1-9]*", _GATEWAY),
    ("codex-*", _GATEWAY),
)
"""OpenAI's models at a server that we do not know: it passes them on to OpenAI, whose tools they bring along."""


def responses_quirks_for(provider: Provider, model: str) -> ResponsesQuirks:
    """The deviations that hold for a model at a provider: its server's, its family's, and the configured above all.

    Raises: msgspec.ValidationError where an override has the wrong type; configuration is checked before.
    """
    preset = preset_of(provider)
    own = preset.responses if preset is not None else None
    merged = dict(COMPATIBLE_RESPONSES if own is None else own)
    if preset is None:
        merged.update(overrides_for(model, BEHIND_GATEWAYS))
    everywhere = overrides_for(model)
    merged.update({field: everywhere[field] for field in _OF_EVERY_API if field in everywhere})
    merged.update(overrides_for(model, FAMILIES))
    merged.update(known_quirks(provider, ResponsesQuirks))
    return msgspec.convert(merged, ResponsesQuirks)
