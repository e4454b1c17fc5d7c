"""Bounds of lengths in schemas: where a server makes grammars of schemas, their descriptions tell them."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec import Raw

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.schemas.lengths import without_lengths
from tests.translators import chat_requests

PROMPT = {"type": "string", "maxLength": 10000, "description": "What to look for."}
PAGES = {"type": "array", "minItems": 1, "maxItems": 5000, "items": {"type": "string", "minLength": 3}}
SCHEMA = {
    "type": "object",
    "properties": {"prompt": PROMPT, "options": {"type": "object", "properties": {"at": PAGES}}},
}
TOLD = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "description": "What to look for. At most 10000 characters."},
        "options": {
            "type": "object",
            "properties": {
                "at": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string", "description": "At least 3 characters."},
                    "description": "At most 5000 items.",
                }
            },
        },
    },
}


def read(schema: object) -> object:
    """What becomes of a schema."""
    return msgspec.json.decode(without_lengths(Raw(msgspec.json.encode(schema))))


def test_bounds_of_lengths_are_told_instead() -> None:
    """llama.cpp makes no grammar of large ones: the description says them to the model, and one asks for no grammar."""
    assert read(SCHEMA) == TOLD


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"maxLength": {"type": "integer"}}},
        {"type": "string", "maxLength": "2000"},
        {"type": "string", "maxLength": True},
        {"type": "array", "minItems": 0, "maxItems": 1},
        {"type": "string", "enum": ["maxLength"]},
    ],
    ids=["a property", "a text", "a boolean", "at most one", "a value"],
)
def test_what_bounds_no_length_stays_as_it_came(schema: object) -> None:
    """Names of properties, values that mean nothing, and bounds that make no grammar large."""
    raw = Raw(msgspec.json.encode(schema))
    assert without_lengths(raw) is raw


@pytest.mark.parametrize("lengths", [True, False])
def test_tools_and_formats_are_sent_without_them_where_a_server_takes_none(lengths: bool) -> None:
    """They stay for everyone else: most servers hold a model to them."""
    closed = {**SCHEMA, "additionalProperties": False}
    body = chat_requests.upstream(
        {
            "tools": [{"name": "crawl", "input_schema": SCHEMA}],
            "output_config": {"format": {"type": "json_schema", "schema": closed}},
        },
        ChatQuirks(lengths=lengths),
    )
    assert body["tools"][0]["function"]["parameters"] == (SCHEMA if lengths else TOLD)
    assert ("maxLength" in json.dumps(body["response_format"])) is lengths
