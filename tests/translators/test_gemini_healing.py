"""What Google's refusals teach, and how long it is remembered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_to_anthropic.providers.quirks import GeminiQuirks
from llm_to_anthropic.translators.gemini.healing import lesson
from llm_to_anthropic.translators.translator import Learned
from tests.translators.gemini_answers import MODEL, TOOLS, translator
from tests.translators.gemini_requests import carried

Json = Any


def refusal(message: str) -> bytes:
    return json.dumps({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}).encode()


def heal(message: str, learned: Learned, request: Json | None = None) -> bool:
    made = translator(request, learned=learned)
    body = refusal(message)
    return made.heal(made.decode_error(400, {}, body), body)


def unknown(name: str, place: str) -> str:
    return f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."


@pytest.mark.parametrize(
    ("message", "lesson"),
    [
        (unknown("parametersJsonSchema", "tools[0].function_declarations[0]"), {"json_schema": False}),
        (unknown("responseJsonSchema", "generation_config"), {"json_schema": False}),
        ("schema at properties.rows.items must be a boolean or an object", {"json_schema": False}),
        ("schema at top-level requires unspecified property 'ref'", {"json_schema": False}),
        ("value for properties at top-level must be an object", {"json_schema": False}),
        (
            "`get` functionDeclaration `parameters.a` schema didn't specify the schema type field.",
            {"json_schema": False},
        ),
        (
            "* GenerateContentRequest.tools[0].function_declarations[3].parameters.properties[t].items: missing field",
            {"json_schema": False},
        ),
        (unknown("thinkingConfig", "generation_config"), {"thinking": "none"}),
        ("Thinking level MINIMAL is not supported for this model.", {"thinking": "none"}),
        ("Budget 0 is invalid. This model only works in thinking mode.", {"thinking": "none"}),
        ("The thinking budget (52428) is invalid.", {"thinking": "none"}),
        (unknown("parts", "contents[2].parts[0].function_response"), {"result_media": False}),
        (unknown("id", "contents[1].parts[0].function_call"), {"call_ids": False}),
        ("Function calling with a response mime type: 'application/json' is unsupported", {"schema_with_tools": False}),
        ("Tool use with function calling is unsupported", {"mixed_tools": False}),
        ("Developer instruction is not enabled for models/gemini-2.5-flash-image", {"system_instruction": False}),
        (
            "Unable to submit request because it has a maxOutputTokens value of 65536 but the supported range is from "
            "1 (inclusive) to 65536 (exclusive). Update the value and try again.",
            {"max_output": 65535},
        ),
    ],
)
def test_lesson(message: str, lesson: Json) -> None:
    """What is refused is left out from then on, and one retry makes sense."""
    learned = Learned()
    assert heal(message, learned)
    assert learned.quirks == lesson
    assert not heal(message, learned)


def test_nothing_to_learn() -> None:
    """Other errors are the client's to see."""
    learned = Learned()
    assert not heal("contents is not specified", learned)
    assert learned.quirks == {}


def test_refused_schema_is_sent_in_the_older_form() -> None:
    """After the refusal of parametersJsonSchema the same tools go out as Google's own subset."""
    learned = Learned()
    assert b"parametersJsonSchema" in translator({"tools": TOOLS}, learned=learned).encode().body
    assert heal(unknown("parametersJsonSchema", "tools[0]"), learned, {"tools": TOOLS})
    body = translator({"tools": TOOLS}, learned=learned).encode().body
    assert b"parametersJsonSchema" not in body
    assert b'"parameters"' in body


def test_search_that_cannot_stand_beside_functions() -> None:
    """Where Vertex AI takes it alone it is left out from then on, as for older models."""
    quirks = GeminiQuirks(backend="vertex", mixed_tools=False, search_with_tools=True)
    message = "Multiple tools are supported only when they are all search tools."
    assert lesson(refusal(message), quirks) == ("search_with_tools", False)


def test_refused_instructions_stand_before_the_first_message() -> None:
    """A model that takes no system instruction is told it all the same, at each turn, and before all else."""
    learned, request = Learned(), {"system": "Be brief."}
    assert "systemInstruction" in json.loads(translator(request, learned=learned).encode().body)
    assert heal("Developer instruction is not enabled for this model", learned, request)
    body = json.loads(translator(request, learned=learned).encode().body)
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "hi"}]}]
    assert "systemInstruction" not in body


SIGNED = carried({"k": "fc", "n": 0, "id": "t1", "sig": "c2ln"}, model=MODEL)
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}}
HISTORY = {
    "tools": TOOLS,
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [SIGNED, CALL]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]},
    ],
}


def test_refused_signatures_are_left_out_of_this_request_alone() -> None:
    """One retry goes without the history's signatures; the next request sends its own again."""
    learned = Learned()
    body = refusal("Thought signature is not valid.")
    made = translator(HISTORY, learned=learned)
    for taught in (True, False):
        assert (b"c2ln" in made.encode().body) is taught
        assert made.heal(made.decode_error(400, {}, body), body) is taught
    assert b"c2ln" in translator(HISTORY, learned=learned).encode().body
    assert learned.quirks == {}
