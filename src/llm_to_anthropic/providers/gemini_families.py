"""What Gemini's models take and refuse: quirk overrides by model name, as data.

All patterns that match the model's name apply, in this order, so a later row refines an earlier one. A name that
no row knows is taken for a new model, by the newest rules: the standard.
As of November 2026; source: Google's model pages.
"""

from __future__ import annotations

import msgspec

from llm_to_anthropic.providers.families import Overrides, Rule, overrides_for
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.providers.quirks import GeminiQuirks

_BEFORE_3: Overrides = {
    "thinking": "budget",
    "signatures": False,
    "call_ids": False,
    "result_media": False,
    "schema_with_tools": False,
    "mixed_tools": False,
    "prefill": True,
}
_BEFORE_2_5: Overrides = {**_BEFORE_3, "thinking": "none", "json_schema": False}
_NO_THINKING: Overrides = {"thinking": "none"}

FAMILIES: tuple[Rule, ...] = (
    ("gemini-1*", _BEFORE_2_5),
    ("gemini-2.0*", _BEFORE_2_5),
    ("gemini-exp*", _BEFORE_2_5),
    ("learnlm*", _BEFORE_2_5),
    ("gemma-*", _BEFORE_2_5),
    ("gemma-3*", {"system_instruction": False}),
    ("gemini-2.[5-9]*", _BEFORE_3),
    ("gemini-2.5-pro*", {"min_budget": 128, "max_budget": 32768}),
    ("gemini-2.5-flash*", {"min_budget": 1, "zero_budget": True}),
    ("gemini-2.5-flash-lite*", {"min_budget": 512}),
    ("gemini-2.5-*image*", _NO_THINKING),
    ("gemini-2.5-*tts*", _NO_THINKING),
    ("gemini-robotics-er-1.5*", {**_BEFORE_3, "min_budget": 1, "zero_budget": True}),
    ("gemini-3-pro*", {"levels": ("LOW", "HIGH")}),
    ("gemini-3*-flash*", {"levels": ("MINIMAL", "LOW", "MEDIUM", "HIGH")}),
    ("gemini-3.[78]-flash*", {"levels": ("LOW", "MEDIUM", "HIGH")}),
    ("gemini-4*", {"sampling": False, "stream_always": True}),
)

_VERTEX: Overrides = {"backend": "vertex", "call_ids": False, "mixed_tools": False}


def gemini_quirks_for(provider: Provider, model: str) -> GeminiQuirks:
    """The deviations that hold for a model at a provider: its family's, its server's, and the configured above all.

    Raises: msgspec.ValidationError where an override has the wrong type; configuration is checked before.
    """
    merged = overrides_for(model, FAMILIES)
    if provider.backend == "vertex":
        merged |= {**_VERTEX, "search_with_tools": merged.get("mixed_tools", True)}
    merged.update(provider.quirks)
    return msgspec.convert(merged, GeminiQuirks)
