"""Brings schemas into the forms that Gemini takes."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.schemas.google import GeminiSchema, tool_schema

Json = Any


def tooled(schema: Json, *, json_schema: bool = True) -> GeminiSchema:
    return tool_schema(Raw(msgspec.json.encode(schema)), "tools.0.input_schema", json_schema=json_schema)


def full(schema: Json) -> Json:
    """The schema for `parametersJsonSchema`."""
    done = tooled(schema).schema
    return msgspec.json.decode(done) if done else None


def subset(schema: Json) -> Json:
    """The schema for `parameters`."""
    done = tooled(schema, json_schema=False).schema
    return msgspec.json.decode(done) if done else None


def an_object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def prop(schema: Json) -> Json:
    """One property's schema, in full form."""
    return full(an_object(a=schema))["properties"]["a"]


def sub(schema: Json) -> Json:
    """One property's schema, in the subset."""
    return subset(an_object(a=schema))["properties"]["a"]
