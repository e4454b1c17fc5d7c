"""Gateways that hand the schemas of tools on to Gemini as they are (Databricks, llmgateway, gemini-openai-proxy)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.translator import Learned
from tests.translators.chat_answers import DONE, call, collected, delta, inputs, streamed, translator, whole
from tests.translators.chat_refusals import heal, refusal

Json = Any

GOOGLE = ChatQuirks(google_schema=True)
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "offset": {"type": "integer", "exclusiveMinimum": 0},
        "level": {"enum": [1, 2]},
        "env": {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "string"}},
    },
    "required": ["path"],
    "additionalProperties": False,
}
TOOLS = {"tools": [{"name": "read", "input_schema": SCHEMA}, {"name": "now", "input_schema": {"type": "object"}}]}
UNKNOWN = "\n".join(
    f"Invalid JSON payload received. Unknown name {name} at 'tools[0].function_declarations[0].parameters{place}': "
    "Cannot find field."
    for name, place in (('"$schema"', ""), ('"exclusiveMinimum"', ".properties[1].value"))
)


def sent(quirks: ChatQuirks | None = None, learned: Learned | None = None) -> list[Json]:
    body = json.loads(translator(TOOLS, quirks, learned=learned).encode().body)
    return [tool["function"]["parameters"] for tool in body["tools"]]


def names(schema: Json) -> set[str]:
    """All keywords of a schema that has no property called like one."""
    if isinstance(schema, list):
        return set().union(*map(names, schema))
    return set(schema).union(*map(names, schema.values())) if isinstance(schema, dict) else set()


@pytest.mark.parametrize("text", [UNKNOWN, json.dumps({"error": {"message": UNKNOWN}})], ids=["Google's", "repeated"])
def test_schemas_are_written_as_gemini_knows_them_once_it_refused_a_keyword(text: str) -> None:
    """Claude Code's tools have keywords that Gemini's own form lacks: the first refusal teaches to leave them out."""
    learned = Learned()
    made = translator(TOOLS, learned=learned)
    assert heal(made, refusal(text))
    assert learned.quirks == {"google_schema": True}
    unknown = {"$schema", "exclusiveMinimum", "propertyNames", "additionalProperties"}
    assert unknown.isdisjoint(names(sent(learned=learned)))
    assert not heal(translator(TOOLS, learned=learned), refusal(text))


@pytest.mark.parametrize("page", ["", "<html>"], ids=["error", "web page"])
def test_refusal_that_begins_like_googles_again_and_again_is_read_quickly(page: str) -> None:
    """All clients of a process wait while one upstream's refusal is looked through, which may be a mebibyte long."""
    body = f"{page}{'Unknown name `a` at `function_declarations` ' * 20_000}".encode()
    made = translator(TOOLS)
    began = time.process_time()
    assert not made.heal(made.decode_error(400, {}, body), body)
    assert time.process_time() - began < 0.25


def test_a_field_beside_the_schemas_is_learned_by_itself() -> None:
    """Gemini behind a gateway also refuses `stream_options`, where that is passed on."""
    learned = Learned()
    text = "Invalid JSON payload received. Unknown name \"stream_options\" at 'generation_config': Cannot find field."
    assert heal(translator(TOOLS, learned=learned), refusal(text))
    assert learned.quirks == {"stream_options": False}


def test_a_tool_without_arguments_keeps_a_schema() -> None:
    """Chat Completions knows no function without one."""
    assert sent(GOOGLE)[1] == {"type": "object", "properties": {}}


@pytest.mark.parametrize("live", ["live", "buffer"])
def test_values_that_were_asked_for_as_text_come_back_as_what_they_are(live: Json) -> None:
    """Gemini chooses among texts alone, and writes objects of any shape as text: clients get the tool's own types."""
    arguments = '{"path":"a","level":"2","env":"{\\"A\\":\\"1\\"}"}'
    expected = [{"path": "a", "level": 2, "env": {"A": "1"}}]
    quirks = ChatQuirks(google_schema=True, tool_args=live)
    calls = [call(0, id="c", name="read", arguments=arguments)]
    answer = (delta(tool_calls=calls), delta("tool_calls"), DONE)
    assert inputs(streamed(*answer, request=TOOLS, quirks=quirks)) == expected
    assert inputs(collected(whole("tool_calls", tool_calls=calls), request=TOOLS, quirks=quirks)) == expected
