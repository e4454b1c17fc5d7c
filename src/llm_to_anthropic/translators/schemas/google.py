"""The schemas of tools and of structured answers as Gemini takes them.

Pure. A schema is written out in any case (references inlined to a bound, constants as choices, tuples as lists); the
legacy fields take a subset of that.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.request import dotted
from llm_to_anthropic.translators.schemas.google_subset import subset
from llm_to_anthropic.translators.schemas.inlining import MAX_INLINED, MAX_REMEMBERED_BYTES, SPARINGLY, Inliner
from llm_to_anthropic.translators.schemas.merging import as_one_object, with_note
from llm_to_anthropic.translators.schemas.schema import (
    NOT_AT_ROOT,
    Schema,
    decoded_schema,
    is_schema,
    object_schema,
    properties_of,
    rewrite,
    those_in,
    without,
)
from llm_to_anthropic.translators.tools import DeclaredTool
from llm_to_anthropic.wire.anthropic import NO_RAW

_MOST_TOLD = 20
"""How many names of a list a description tells."""
_FREE = ("additionalProperties", "patternProperties", "unevaluatedProperties")


class GeminiSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A schema for Gemini."""

    schema: Raw
    """Empty: an object without properties, which is not sent."""
    weakened: bool = False
    """A choice at its root had to be merged into one object."""
    cut: bool = False
    """It is deeper, or refers to itself more often, than is written out."""
    inlined: int = 0
    """How many schemas that others referred to were written out."""
    original: Schema | None = None
    """Of a tool, where values come back as text (legacy subset only): what `restore_values` needs."""


def tool_schema(raw: Raw, path: str, *, json_schema: bool, sparing: bool = False) -> GeminiSchema:
    """The parameters of a tool: `parametersJsonSchema`, or `parameters` where `json_schema` is False.

    `path` is for the error (`tools.0.input_schema`); `sparing`: other tools have taken the time for references.
    Raises ClientError if it is no schema of objects.
    """
    data = bytes(raw)
    if len(data) > MAX_REMEMBERED_BYTES:
        return _tool_schema(data, path, json_schema, sparing)
    return _remembered_tool_schema(data, path, json_schema, sparing)


def declared_schema(tool: DeclaredTool, losses: LossReport, *, json_schema: bool, sparing: bool) -> GeminiSchema:
    """As `tool_schema`, of a tool that is declared; what gets lost is reported."""
    path = f"{tool.path}.input_schema"
    made = tool_schema(tool.schema, dotted(path), json_schema=json_schema, sparing=sparing)
    if made.weakened:
        losses.lose(path, "the choice at its root was merged into one object")
    if made.cut:
        losses.mention(path, "refers to itself or is very deep; written out to a bound")
    if tool.strict:
        losses.lose(f"{tool.path}.strict", "the upstream cannot enforce this schema")
    return made


def answer_schema(raw: Raw, path: str, *, json_schema: bool) -> GeminiSchema:
    """The schema of a structured answer: `responseJsonSchema`, or `responseSchema` where `json_schema` is False.

    Raises ClientError if it is no schema.
    """
    inliner = Inliner(decoded_schema(raw, path))
    plain = inliner.plain()
    encoded = raw_json(_with_own_demands(plain, bytes(raw)) if json_schema else subset(plain))
    return GeminiSchema(schema=encoded, cut=inliner.cut)


def _tool_schema(data: bytes, path: str, json_schema: bool, sparing: bool) -> GeminiSchema:  # noqa: FBT001  cached
    schema = object_schema(Raw(data), path)
    inliner = Inliner(schema, most=SPARINGLY if sparing else MAX_INLINED)
    plain = inliner.plain()
    weakened = not NOT_AT_ROOT.isdisjoint(plain)
    if weakened:
        plain = as_one_object(plain)
    plain = {**plain, "type": "object"}
    if not plain.get("properties") and not (json_schema and _takes_others(plain)):
        return GeminiSchema(schema=NO_RAW, weakened=weakened, cut=inliner.cut, inlined=inliner.inlined)
    encoded = raw_json(_with_own_demands(plain, data) if json_schema else subset(plain))
    return GeminiSchema(
        schema=encoded,
        weakened=weakened,
        cut=inliner.cut,
        original=None if json_schema else plain,
        inlined=inliner.inlined,
    )


_remembered_tool_schema = lru_cache(maxsize=512)(_tool_schema)


def _with_own_demands(plain: Schema, data: bytes) -> Schema:
    return rewrite(plain, _declared) if b'"required"' in data else plain


def _declared(node: Schema) -> Schema:
    """Google refuses a schema that requires what is no property of it ("requires unspecified property")."""
    refused = node.get("not")
    if is_schema(refused) and refused.keys() == {"description"}:  # no demand is left in it
        node = with_note(without(node, "not"), f"Not so: {refused['description']}")
    names = node.get("required")
    if not isinstance(names, list):
        return node
    known = properties_of(node)
    kept = those_in(names, known)
    if len(kept) == len(names):
        return node
    rest = without(node, "required")
    told = ", ".join(islice((name for name in names if name not in known), _MOST_TOLD))
    return with_note(rest | {"required": kept} if kept else rest, f"Required: {told}.")


def _takes_others(schema: Schema) -> bool:
    """Whether it says something of properties that it does not name."""
    return any(is_schema(schema.get(key)) and bool(schema[key]) for key in _FREE)
