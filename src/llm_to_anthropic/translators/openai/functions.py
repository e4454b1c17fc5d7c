"""A tool that the client runs, as the schema of a function of OpenAI's APIs."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.request import dotted
from llm_to_anthropic.translators.schemas.closing import close_schema
from llm_to_anthropic.translators.schemas.google import declared_schema
from llm_to_anthropic.translators.schemas.lengths import without_lengths
from llm_to_anthropic.translators.schemas.patterns import readable_patterns
from llm_to_anthropic.translators.schemas.preparing import prepare_schema
from llm_to_anthropic.translators.schemas.schema import EMPTY_OBJECT
from llm_to_anthropic.translators.schemas.typed import typed_schema
from llm_to_anthropic.translators.tools import DeclaredTool


class FunctionSchema(msgspec.Struct, frozen=True):
    """What a function takes; `closed`: it takes nothing else, as strict upstreams enforce."""

    parameters: Raw
    closed: bool = False
    inlined: int = 0
    """How many schemas that others referred to were written out."""
    original: object = None
    """The client's, decoded, where some values come back as text."""


def typed_function_schema(tool: DeclaredTool, losses: LossReport, *, sparing: bool, patterns: bool) -> FunctionSchema:
    """The schema for an upstream that wants a type in each part of it; see `typed_schema`.

    Raises ClientError if it is no object schema.
    """
    schema = function_schema(tool, losses, strict=False, items=False, patterns=patterns).parameters
    path = f"{tool.path}.input_schema"
    made = typed_schema(schema, dotted(path), sparing=sparing)
    if made.cut:
        losses.mention(path, "refers to itself or is very deep; written out to a bound")
    return FunctionSchema(made.schema, inlined=made.inlined)


def google_function_schema(tool: DeclaredTool, losses: LossReport, *, sparing: bool) -> FunctionSchema:
    """The schema for a gateway that hands it on to Gemini as it is. Raises ClientError if it is no object schema."""
    made = declared_schema(tool, losses, json_schema=False, sparing=sparing)
    return FunctionSchema(made.schema or EMPTY_OBJECT, inlined=made.inlined, original=made.original)


def function_schema(
    tool: DeclaredTool,
    losses: LossReport,
    *,
    strict: bool,
    clean: bool = False,
    items: bool = True,
    patterns: bool,
    lengths: bool = True,
) -> FunctionSchema:
    """The schema for an upstream; it is closed where the client wants that, it can be, and `strict` upstreams do so.

    `clean`: annotations that some servers refuse are left out. `items`: every array gets some. `patterns`: regular
    expressions stay that any engine reads; `lengths`: bounds of lengths stay. Raises ClientError if it is no object
    schema.
    """
    path = f"{tool.path}.input_schema"
    prepared = prepare_schema(tool.schema, dotted(path), clean=clean, items=items)
    if prepared.weakened:
        losses.lose(path, "the choice at its root was merged into one object")
    schema = readable_patterns(prepared.schema, keep=patterns)
    if not lengths:
        schema = without_lengths(schema)
    if not tool.strict:
        return FunctionSchema(schema)
    closed = close_schema(schema) if strict and not prepared.weakened else None
    if closed is None:
        losses.lose(f"{tool.path}.strict", "the upstream cannot enforce this schema")
        return FunctionSchema(schema)
    return FunctionSchema(closed, closed=True)
