"""A tool that the client runs, as the schema of a function of OpenAI's APIs."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.request import dotted
from llm_to_anthropic.translators.schemas import close_schema, prepare_schema
from llm_to_anthropic.translators.tools import DeclaredTool
from llm_to_anthropic.translators.typed_schemas import typed_schema


class FunctionSchema(msgspec.Struct, frozen=True):
    """What a function takes; `closed`: nothing else, as a strict upstream enforces."""

    parameters: Raw
    closed: bool = False
    inlined: int = 0
    """So many schemas that others referred to were written out."""


def typed_function_schema(tool: DeclaredTool, losses: LossReport, *, sparing: bool) -> FunctionSchema:
    """The schema for an upstream that wants a type in each part of it; see `typed_schema`.

    Raises ClientError if it is no object schema.
    """
    schema = function_schema(tool, losses, strict=False).parameters
    path = f"{tool.path}.input_schema"
    made = typed_schema(schema, dotted(path), sparing=sparing)
    if made.cut:
        losses.mention(path, "refers to itself or is very deep; written out to a bound")
    return FunctionSchema(made.schema, inlined=made.inlined)


def function_schema(tool: DeclaredTool, losses: LossReport, *, strict: bool, clean: bool = False) -> FunctionSchema:
    """The schema for an upstream; it is closed where the client wants that, it can be, and `strict` upstreams do so.

    `clean`: annotations that some servers refuse are left out. Raises ClientError if it is no object schema.
    """
    path = f"{tool.path}.input_schema"
    prepared = prepare_schema(tool.schema, dotted(path), clean=clean)
    if prepared.weakened:
        losses.lose(path, "the choice at its root was merged into one object")
    if not tool.strict:
        return FunctionSchema(prepared.schema)
    closed = close_schema(prepared.schema) if strict and not prepared.weakened else None
    if closed is None:
        losses.lose(f"{tool.path}.strict", "the upstream cannot enforce this schema")
        return FunctionSchema(prepared.schema)
    return FunctionSchema(closed, closed=True)
