"""Regular expressions in schemas, which each server reads in a dialect of its own.

Anthropic takes those of JavaScript; OpenAI refuses a request for one that its own engine cannot read, and llama.cpp for
one that it cannot make a grammar of. What is left out is said in the description, so that the model knows it still.
Sources: recorded refusals ("... is not a 'regex'."), github.com/ggml-org/llama.cpp, common/json-schema-to-grammar.cpp.
"""

from __future__ import annotations

import re
from functools import partial

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.schemas.merging import with_note
from llm_to_anthropic.translators.schemas.schema import Schema, is_schema, rewritten, without

_KEYED = b'"patternProperties"'
_PATTERN = re.compile(rb'"pattern"\s*+:\s*+("(?:[^"\\]++|\\.)*+")')
_PORTABLE = re.compile(
    r"(?:[^\\(\[]|\[(?!\^?\])|\((?!\?)|\(\?:|\\(?:[^A-Za-z1-9]|[bBdDfnrsStvwW]|x[0-9A-Fa-f]{2}))*+",
    re.DOTALL,
)
"""What JavaScript, Python and RE2 read alike: no looking around, no properties of characters, no references back."""


def readable_patterns(raw: Raw, *, keep: bool = True) -> Raw:
    """The schema without the patterns that not every engine reads; `keep=False`: without any."""
    if not _may_change(bytes(raw), keep=keep):
        return raw
    return rewritten(raw, partial(_without, keep=keep))


def _may_change(data: bytes, *, keep: bool) -> bool:
    """Whether the schema is worth to be walked through."""
    if _KEYED in data:
        return True
    found = set(_PATTERN.findall(data))
    try:
        return not all(keep and _PORTABLE.fullmatch(msgspec.json.decode(text)) for text in found)
    except msgspec.DecodeError:  # half a character, which nobody reads
        return False


def _without(node: Schema, *, keep: bool) -> Schema:
    pattern, keyed = node.get("pattern"), node.get("patternProperties")
    if isinstance(pattern, str) and not (keep and _PORTABLE.fullmatch(pattern)):
        node = with_note(without(node, "pattern"), f"Must match the pattern {pattern}.")
    if is_schema(keyed) and not (keep and all(map(_PORTABLE.fullmatch, keyed))):
        # What they allowed stays allowed.
        open_node = without(node, "patternProperties", "additionalProperties")
        node = with_note(open_node, f"Keys match {' or '.join(keyed)}.")
    return node
