"""A field that OpenAI Responses refuses is left out from then on, and what the client misses by that is told."""

from __future__ import annotations

import json

import msgspec
import pytest

from llm_to_anthropic.providers.quirks import ResponsesQuirks
from llm_to_anthropic.translators.openai_responses.healing import is_about_reasoning, lesson
from llm_to_anthropic.translators.openai_responses.translator import OpenAIResponsesTranslator
from llm_to_anthropic.translators.translator import Learned
from tests.translators.chat_requests import assistant, call, result, text, user
from tests.translators.responses_requests import (
    MODEL,
    Json,
    a_client,
    carried,
    encoded,
    lost,
    reasoning_item,
    target,
    upstream,
)

QUIRKS = target().responses


def refusal(message: str, param: str | None = None, code: str = "unsupported_parameter") -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return json.dumps({"error": error}).encode()


def unsupported(param: str) -> bytes:
    return refusal(f"Unsupported parameter: '{param}' is not supported with this model.", param)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (unsupported("temperature"), None),
        (unsupported("reasoning.summary"), ("summaries", False)),
        (unsupported("reasoning.effort"), ("efforts", ())),
        (unsupported("reasoning"), ("efforts", ())),
        (b'{"code":"400","error":"Model grok-4 does not support parameter reasoningEffort."}', ("efforts", ())),
        (unsupported("include"), ("encrypted_content", False)),
        (unsupported("include[0]"), ("encrypted_content", False)),
        (unsupported("context_management"), ("compaction", False)),
        (
            refusal("Unknown parameter: 'context_management[0].type'.", "context_management[0].type"),
            ("compaction", False),
        ),
        (unsupported("safety_identifier"), ("safety_identifier", False)),
        (unsupported("prompt_cache_key"), ("prompt_cache_key", False)),
        (unsupported("stream_options"), ("obfuscation", False)),
        (unsupported("max_tool_calls"), ("max_tool_calls", False)),
        (unsupported("parallel_tool_calls"), ("parallel_tool_calls", False)),
        (unsupported("service_tier"), ("service_tier", False)),
        (unsupported("truncation"), ("truncation", False)),
        (unsupported("store"), ("store", False)),
        (unsupported("stream"), ("streams", "never")),
        (refusal("Stream must be set to true"), ("streams", "always")),
        (refusal("This model requires streaming: 'stream' must be true.", "stream"), ("streams", "always")),
        (refusal("Unknown parameter: 'tools[0].strict'.", "tools[0].strict"), ("strict", False)),
        (
            refusal("Unknown parameter: 'tools[0].filters.blocked_domains'.", "tools[0].filters.blocked_domains"),
            ("blocked_domains", False),
        ),
        (refusal("Encrypted content is not supported with this model.", "include"), ("encrypted_content", False)),
        (
            refusal("Your organization must be verified to generate reasoning summaries.", "reasoning.summary"),
            ("summaries", False),
        ),
        (
            refusal("Hosted tool 'web_search' is not supported with gpt-4.1-nano.", "tools"),
            ("hosted", ("code_interpreter", "mcp")),
        ),
        (refusal("Invalid schema for function 'A': '^**$' is not a 'regex'."), ("patterns", False)),
        (refusal("text.format 'json_schema' is not supported here"), ("response_format", "json_object")),
        (
            refusal("Unsupported value: 'input[0].role' does not support 'developer'.", "input[0].role"),
            ("system_role", "system"),
        ),
        (
            refusal(
                "Invalid 'max_output_tokens': integer above maximum value. Expected a value <= 16384, but got 32000.",
                "max_output_tokens",
                "integer_above_max_value",
            ),
            ("max_output", 16384),
        ),
        (b'{"detail":[{"loc":["body","store"],"msg":"Extra inputs are not permitted"}]}', ("store", False)),
        (refusal("This model does not support image inputs.", "input"), ("images", False)),
        (b'{"detail":"Unsupported parameter: max_output_tokens"}', ("limits_output", False)),
        (refusal("The image could not be fetched.", "input", "invalid_image"), None),
        (refusal("Unsupported file type.", "input", "unsupported_file"), None),
        (b"<html>unsupported temperature</html>", None),
    ],
)
def test_refused_field_becomes_a_quirk(body: bytes, expected: tuple[str, object] | None) -> None:
    """What the upstream complains of is left out by a quirk; for all else there is no remedy."""
    found = lesson(body, QUIRKS, "high")
    assert found == expected
    assert msgspec.convert(dict([found] if found else []), ResponsesQuirks)


def test_role_of_instructions_is_learned_both_ways() -> None:
    """Relays of Codex take no system messages, where most servers that speak alike take no others."""
    body = b'{"detail":"System messages are not allowed"}'
    assert lesson(body, ResponsesQuirks(system_role="system"), None) == ("system_role", "developer")
    assert lesson(body, ResponsesQuirks(system_role="developer"), None) is None


def test_answers_without_a_limit_are_told() -> None:
    """Where an upstream knows no limit of tokens, none is sent, and the client is told."""
    done = encoded({"max_tokens": 50}, limits_output=False)
    assert b"max_output_tokens" not in done.body
    assert lost(done) == ["max_tokens"]


def test_a_level_of_effort_that_is_refused_gives_way_to_another() -> None:
    """The model keeps the levels that it was not heard to refuse."""
    body = refusal("Unsupported value: 'xhigh' is not supported with this model.", "reasoning.effort")
    quirks = ResponsesQuirks(efforts=("low", "medium", "high", "xhigh"))
    assert lesson(body, quirks, "xhigh") == ("efforts", ("low", "medium", "high"))


def test_temperature_is_refused_once() -> None:
    """A model that reasons after all is sent no temperature from then on."""
    body = unsupported("temperature")
    assert lesson(body, ResponsesQuirks(sampling=True), None) == ("sampling", False)
    assert lesson(body, ResponsesQuirks(sampling=False), None) is None


@pytest.mark.parametrize(
    "body",
    [
        refusal("The encrypted content for item rs_1 could not be verified.", None, "invalid_encrypted_content"),
        refusal("Encrypted content could not be decrypted or parsed.", None, ""),
        refusal("Item with id 'rs_0a1b' not found. Items are not persisted when `store` is set to false.", "input"),
        refusal("Item 'rs_1' of type 'reasoning' was provided without its required following item.", "input"),
        refusal("Duplicate item found with id rs_1. Remove duplicate items from your input and try again.", "input"),
    ],
)
def test_refused_reasoning_is_recognised(body: bytes) -> None:
    """The upstream has several ways of saying that it cannot use the reasoning of the history."""
    assert is_about_reasoning(body)


@pytest.mark.parametrize("param", ["reasoning.effort", "include", "temperature"])
def test_other_refusals_are_not_about_reasoning_of_the_history(param: str) -> None:
    """A field that is not known says nothing of the history."""
    assert not is_about_reasoning(unsupported(param))


@pytest.mark.parametrize(
    ("request_", "learned", "path"),
    [
        ({"temperature": 0.5}, {"sampling": False}, "temperature"),
        ({"thinking": {"type": "adaptive"}}, {"summaries": False}, "thinking"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9000}}, {"efforts": ()}, "thinking"),
        ({"service_tier": "standard_only"}, {"service_tier": False}, "service_tier"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            {"hosted": ()},
            "tools[0]",
        ),
    ],
)
def test_what_is_left_out_after_a_refusal_is_told(request_: Json, learned: Json, path: str) -> None:
    """Where the answer may be another for it, the healed request names what was left out."""
    assert path in lost(encoded(request_, MODEL, **learned))


def test_what_is_the_proxys_own_is_left_out_in_silence() -> None:
    """The client asked for no cache key, no unpadded events and no unkept request."""
    learned: Json = {"prompt_cache_key": False, "obfuscation": False, "store": False, "truncation": False}
    assert lost(encoded({}, MODEL, **learned)) == []
    assert upstream({}, MODEL, **learned).keys() == {"model", "input", "max_output_tokens", "include"}


def translator(messages: Json, learned: Learned) -> OpenAIResponsesTranslator:
    made = OpenAIResponsesTranslator(a_client({"messages": messages}), target(), learned)
    made.encode()
    return made


def heal(made: OpenAIResponsesTranslator, body: bytes, status: int) -> bool:
    return made.heal(made.decode_error(status, {}, body), body)


REPLAYED = [
    user(text("?")),
    assistant(carried(reasoning_item()), call("t1")),
    user(result("t1")),
]
GONE = refusal("Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.", "input", "")


@pytest.mark.parametrize("status", [400, 404])
def test_refused_reasoning_is_left_out_of_this_request_alone(status: int) -> None:
    """The same request is sent once more without it; nothing is learned for others, and a second refusal stands."""
    learned = Learned()
    request = a_client({"messages": REPLAYED})
    made = OpenAIResponsesTranslator(request, target(), learned)
    made.encode()
    assert heal(made, GONE, status)
    again = OpenAIResponsesTranslator(request, target(), learned)
    assert b"rs_1" not in again.encode().body
    assert learned.quirks == {}
    assert not heal(again, GONE, status)
    assert b"rs_1" in translator(REPLAYED, learned).encode().body


def test_a_summary_that_the_account_may_not_have_is_not_asked_for_again() -> None:
    """OpenAI refuses it with a 403 until an organisation is verified."""
    learned = Learned()
    body = refusal("Your organization must be verified to generate reasoning summaries.", "reasoning.summary", "")
    assert heal(translator([user(text("?"))], learned), body, 403)
    assert learned.quirks == {"summaries": False}


@pytest.mark.parametrize("status", [401, 429, 500])
def test_no_other_status_teaches(status: int) -> None:
    """A wrong key, a rate limit and a failure say nothing of the request, whatever words they come with."""
    learned = Learned()
    assert not heal(translator([user(text("?"))], learned), unsupported("truncation"), status)
    assert learned.quirks == {}
