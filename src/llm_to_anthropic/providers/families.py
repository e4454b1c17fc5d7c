"""What model families take and refuse, whoever serves them: quirk overrides by model name, as data.

A pattern is matched against the last part of the model id, in lower case (`openai/GPT-5` -> `gpt-5`).
All patterns that match apply, in this order, so a later row refines an earlier one.
As of November 2026; source: the vendors' model pages and the answers recorded of their servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

Overrides = Mapping[str, object]
Rule = tuple[str, Overrides]

_LOW_TO_HIGH = ("low", "medium", "high")
_HISTORY: Overrides = {"reasoning_history": "reasoning_content"}
_STRICT_TEMPLATE: Overrides = {"merge_system": True, "merge_same_role": True}
_MISTRAL: Overrides = {**_STRICT_TEMPLATE, "user_after_tool": False, "short_ids": True}
_OPENAI_REASONING: Overrides = {
    "max_tokens_field": "max_completion_tokens",
    "sampling": False,
    # o3 and later refuse `stop`; stop sequences are matched here anyway.
    "max_stop": 0,
}

NOT_REASONING: Overrides = {"efforts": (), "summaries": False, "encrypted_content": False, "sampling": True}
"""Quirks of OpenAI Responses with a model that does not reason."""

FAMILIES: tuple[Rule, ...] = (
    ("o[1-9]*", {**_OPENAI_REASONING, "efforts": _LOW_TO_HIGH, "reasons": True, "parallel_tool_calls": False}),
    ("o1-mini*", {"efforts": ()}),
    ("o1-preview*", {"efforts": ()}),
    ("gpt-[5-9]*", {**_OPENAI_REASONING, "efforts": ("minimal", *_LOW_TO_HIGH)}),
    ("gpt-5-chat*", {"sampling": True, "efforts": ()}),
    ("gpt-5-codex*", {"efforts": _LOW_TO_HIGH}),
    ("gpt-5-pro*", {"efforts": ("high",)}),
    ("gpt-5.[1-9]*", {"efforts": ("none", *_LOW_TO_HIGH)}),
    ("gpt-5.[2-9]*", {"efforts": ("none", *_LOW_TO_HIGH, "xhigh")}),
    ("gpt-5.1-codex*", {"efforts": _LOW_TO_HIGH}),
    ("gpt-5.1-codex-max*", {"efforts": (*_LOW_TO_HIGH, "xhigh")}),
    ("gpt-5.[2-9]*-codex*", {"efforts": (*_LOW_TO_HIGH, "xhigh")}),
    ("gpt-5.[2-5]*-pro*", {"efforts": ("medium", "high", "xhigh")}),
    ("gpt-5.[1-9]*-chat*", {"efforts": ("medium",)}),
    ("gpt-5.[6-9]*", {"efforts": ("none", *_LOW_TO_HIGH, "xhigh", "max"), "tools_need_no_reasoning": True}),
    ("gpt-[6-9]*", {"efforts": ("none", *_LOW_TO_HIGH, "xhigh", "max"), "tools_need_no_reasoning": True}),
    # These two always reason; function tools they take on the Responses API alone.
    ("gpt-[6-9]*astra*", {"efforts": (*_LOW_TO_HIGH, "xhigh", "max")}),
    ("gpt-6.1-sol*", {"efforts": (*_LOW_TO_HIGH, "xhigh", "max")}),
    ("gpt-4o*-search*", {"sampling": False, "max_stop": 0, "parallel_tool_calls": False}),
    ("*gpt-oss*", {"efforts": _LOW_TO_HIGH, "reasons": True}),
    ("grok-[4-9]*", {"reasons": True}),
    ("grok-code*", {"reasons": True}),
    ("grok-*non-reasoning*", {"reasons": False}),
    ("gemini-2.5-pro*", {"reasons": True}),
    ("gemini-[3-9]*", {"reasons": True}),
    ("deepseek-*", _HISTORY),
    # R1 and its distillates write <think> wherever the server has no parser for it.
    ("*deepseek-r1*", {"think_tags": True, "reasons": True}),
    ("deepseek-reasoner*", {"reasons": True}),
    ("kimi-*", _HISTORY),
    ("glm-4.[5-9]*", _HISTORY),
    ("glm-[5-9]*", _HISTORY),
    ("minimax-m*", {"think_tags": True, "reasons": True}),
    ("qwq*", {"merge_system": True, "think_tags": True, "reasons": True}),
    ("qwen*", {"merge_system": True}),
    ("qwen3*-thinking*", {"reasons": True}),
    ("qwen3*", {"think_tags": True}),
    ("gemma-*", _STRICT_TEMPLATE),
    ("gemma[2-9]*", _STRICT_TEMPLATE),
    ("mistral*", _MISTRAL),
    ("ministral*", _MISTRAL),
    ("magistral*", {**_MISTRAL, "reasons": True}),
    ("mixtral*", _MISTRAL),
    ("devstral*", _MISTRAL),
    ("codestral*", _MISTRAL),
    ("pixtral*", _MISTRAL),
)


def family_name(model: str) -> str:
    """The part of a model id that names the model: without vendors or the mark of fine-tuning, in lower case."""
    return model.rsplit("/", 1)[-1].lower().removeprefix("ft:")


def overrides_for(model: str, rules: Iterable[Rule] = FAMILIES) -> dict[str, object]:
    """What the rules say of a model, later rows over earlier ones."""
    name = family_name(model)
    merged: dict[str, object] = {}
    for pattern, overrides in rules:
        if fnmatchcase(name, pattern):
            merged.update(overrides)
    return merged
