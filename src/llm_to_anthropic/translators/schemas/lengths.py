"""Bounds of lengths in schemas, of which llama.cpp makes grammars with a part for each step up to the bound.

From some 2,000 on, also as the product of one within another, it refuses the request ("failed to parse grammar"). What
is left out is said in the description, so that the model knows it still.
Source: github.com/ggml-org/llama.cpp, src/llama-grammar.cpp (MAX_REPETITION_THRESHOLD).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Raw

from llm_to_anthropic.translators.schemas.merging import with_note
from llm_to_anthropic.translators.schemas.schema import Schema, rewritten, without

_NOTES: Mapping[str, str] = {
    "minLength": "At least {} characters.",
    "maxLength": "At most {} characters.",
    "minItems": "At least {} items.",
    "maxItems": "At most {} items.",
}
_NAMES = tuple(name.encode() for name in _NOTES)


def without_lengths(raw: Raw) -> Raw:
    """The schema without bounds of lengths above one."""
    data = bytes(raw)
    return rewritten(raw, _without) if any(name in data for name in _NAMES) else raw


def _without(node: Schema) -> Schema:
    bounds = {name: bound for name in _NOTES if type(bound := node.get(name)) in (int, float) and bound not in (0, 1)}
    if not bounds:
        return node
    return with_note(without(node, *bounds), *(_NOTES[name].format(bound) for name, bound in bounds.items()))
