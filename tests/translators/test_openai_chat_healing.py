"""A field that an upstream refuses is left out from then on."""

from __future__ import annotations

import json

import msgspec
import pytest

from llm_to_anthropic.translators.translator import Learned
from tests.translators.chat_answers import chat_request, translator, translator_of
from tests.translators.chat_refusals import OPENAI, heal, of_provider, refusal


@pytest.mark.parametrize(
    ("message", "param", "expected"),
    [
        (
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "max_tokens",
            {"max_tokens_field": "max_completion_tokens"},
        ),
        ("Unrecognized request argument supplied: stream_options", None, {"stream_options": False}),
        ("Unsupported parameter: 'parallel_tool_calls'", "parallel_tool_calls", {"parallel_tool_calls": False}),
        ("parameter.enable_thinking must be set to false for non-streaming calls", None, {"stream_always": True}),
        (
            "This model only support stream mode, please enable the stream parameter to access the model. ",
            None,
            {"stream_always": True},
        ),
        ("Requests with max_tokens > 4096 must have stream=true", None, {"stream_always": True}),
        ("enable thinking can not be support when `stream=False`.", None, {"stream_always": True}),
        ("Thinking mode does not support this tool_choice", None, {"tool_choice": "auto"}),
        ("tool_choice 'required' is incompatible with thinking enabled", None, {"tool_choice": "auto"}),
        ("tool_choice 'specified' is incompatible with thinking enabled", None, {"tool_choice": "required"}),
        (
            "Invalid tool_choice type: 'object'. Supported string values: none, auto, required",
            None,
            {"tool_choice": "required"},
        ),
        (
            "The tool_choice parameter does not support being set to required or object in thinking mode",
            None,
            {"tool_choice": "auto"},
        ),
        (
            "<400> InvalidParameter: The value of the enable_thinking parameter is restricted to True.",
            None,
            {"reasoning": "none"},
        ),
        (
            "The thinking_budget parameter must be a positive integer and not greater than 0",
            None,
            {"reasoning": "none"},
        ),
        ("Unknown parameter: 'tools[0].function.strict'.", "tools[0].function.strict", {"strict": False}),
        ("Unknown field: store", None, {"store": False}),
        ("Unsupported value: 'temperature' does not support 0.5 with this model.", "temperature", {"sampling": False}),
        ("Unsupported parameter: 'stop' is not supported with this model.", "stop", {"max_stop": 0}),
        (
            "Unsupported value: 'messages[0].role' does not support 'developer' with this model.",
            "messages[0].role",
            {"system_role": "system"},
        ),
        ("response_format 'json_schema' is not supported", None, {"response_format": "json_object"}),
        ("chat_template is not supported for Mistral tokenizers.", None, {"reasoning": "none"}),
    ],
    ids=[
        "max_tokens",
        "stream_options",
        "parallel",
        "Qwen's thinking",
        "QwQ",
        "long answers",
        "ModelScope's thinking",
        "DeepSeek's choice",
        "Moonshot's choice of any",
        "Moonshot's choice of one",
        "LM Studio's choice",
        "DashScope's choice",
        "Qwen that always thinks",
        "Qwen that is not to be asked",
        "strict",
        "store",
        "temperature",
        "stop",
        "developer",
        "json_schema",
        "vLLM's Mistral",
    ],
)
def test_refused_field_becomes_a_quirk(message: str, param: str | None, expected: dict[str, object]) -> None:
    """What the upstream complains of is remembered for its target, and one retry makes sense."""
    learned = Learned()
    assert heal(translator(quirks=OPENAI, learned=learned), refusal(message, param))
    assert learned.quirks == expected


@pytest.mark.parametrize("wrapped", [False, True], ids=["vLLM", "Mistral"])
def test_validation_errors_of_other_servers_are_understood(wrapped: bool) -> None:
    """Mistral and vLLM list what they forbid by its place."""
    learned = Learned()
    body: object = {
        "detail": [{"type": "extra_forbidden", "loc": ["body", "store"], "msg": "Extra inputs are not permitted"}]
    }
    if wrapped:
        body = {"object": "error", "message": body, "type": "invalid_request_error", "param": None, "code": None}
    assert heal(translator(quirks=OPENAI, learned=learned), body, 422)
    assert learned.quirks == {"store": False}


def test_a_choice_of_any_tool_is_refused_after_one_of_a_single_tool() -> None:
    """What a model cannot be made to do is learned step by step."""
    learned = Learned()
    assert heal(translator(learned=learned), refusal("tool_choice 'specified' is incompatible with thinking enabled"))
    assert heal(translator(learned=learned), refusal("tool_choice 'required' is incompatible with thinking enabled"))
    assert learned.quirks == {"tool_choice": "auto"}


def test_fewer_tokens_are_asked_for_where_credits_run_low() -> None:
    """OpenRouter refuses what the credits would not pay for at worst: this request alone asks for fewer tokens."""
    learned = Learned()
    message = (
        "This request requires more credits, or fewer max_tokens. You requested up to 64000 tokens, but can only afford"
    )
    request = chat_request({"max_tokens": 64000})
    made = translator_of(request, learned=learned)
    assert heal(made, {"error": {"message": f"{message} 27342.", "code": 402}}, 402)
    again = translator_of(request, learned=learned)
    assert [json.loads(again.encode().body)["max_tokens"] for _ in range(2)] == [27342, 27342]
    assert [loss.path for loss in again.losses] == ["max_tokens"]
    assert not heal(again, {"error": {"message": f"{message} 27000.", "code": 402}}, 402)
    assert json.loads(translator({"max_tokens": 64000}, learned=learned).encode().body)["max_tokens"] == 64000
    assert learned.quirks == {}


@pytest.mark.parametrize("words", ["but can only afford 17.", "and the credits are spent."])
def test_spent_credits_are_told(words: str) -> None:
    """Where next to nothing is left no answer would be worth it."""
    body = {"error": {"message": f"This request requires more credits, {words}", "code": 402}}
    assert not heal(translator(), body, 402)


def test_a_choice_that_is_no_string_is_refused_by_its_place() -> None:
    """Some models on Azure take the names of choices alone."""
    learned = Learned()
    wrong = {"loc": ["body", "tool_choice"], "msg": "Input should be a valid string", "type": "string_type"}
    body = {"error": {"code": "Invalid input", "details": [wrong], "message": "invalid input error", "status": 422}}
    assert heal(translator(learned=learned), body, 422)
    assert learned.quirks == {"tool_choice": "required"}


@pytest.mark.parametrize(
    ("complaint", "expected"),
    [
        ("store is not supported", {"store": False}),
        ("temperature must be between 0 and 2", {}),
        ("Input should be a valid list", {}),
    ],
)
def test_request_that_a_complaint_repeats_is_not_its_reason(complaint: str, expected: dict[str, object]) -> None:
    """vLLM repeats the whole request in a complaint of it: neither its fields nor its texts are what is refused."""
    learned = Learned()
    sent = (
        "{'tools': [{'function': {'name': 'f', 'parameters': {'type': 'object'}}}], 'tool_choice': 'auto', "
        "'max_tokens': 100, 'messages': [{'content': 'It does not support images, nor lookahead; content is empty.'}]}"
    )
    message = f"[{{'type': 'value_error', 'loc': ('body',), 'msg': '{complaint}', 'input': {sent}}}]"
    assert heal(translator(quirks=OPENAI, learned=learned), refusal(message)) is bool(expected)
    assert learned.quirks == expected


@pytest.mark.parametrize(
    "name", ["temperature", "reasoning", "tool_choice", "max_tokens must be at most 1", "does not support images"]
)
def test_names_in_a_schema_that_is_refused_teach_nothing(name: str) -> None:
    """OpenAI tells which property of a client's tool is wrong: it is no field of the request that has its name."""
    learned = Learned()
    message = (
        f"Invalid schema for function 'f': In context=('properties', '{name}', 'anyOf', '0'), 'oneOf' is not permitted."
    )
    assert not heal(translator(learned=learned), refusal(message, "tools[0].function.parameters"))
    assert learned.quirks == {}


def test_retry_leaves_the_field_out() -> None:
    """The next request of the same target is encoded without it."""
    learned = Learned()
    made = translator(quirks=OPENAI, learned=learned)
    assert "store" in json.loads(made.encode().body)
    heal(made, refusal("Unknown field: store"))
    assert "store" not in json.loads(made.encode().body)
    assert "store" not in json.loads(translator(quirks=OPENAI, learned=learned).encode().body)


def test_refused_effort_gives_way_to_its_neighbour() -> None:
    """A level that a model does not know is replaced by the nearest that it may know."""
    learned = Learned()
    made = translator({"output_config": {"effort": "low"}}, OPENAI, learned=learned)
    assert json.loads(made.encode().body)["reasoning_effort"] == "low"
    assert heal(made, refusal("Unsupported value: 'reasoning_effort' does not support 'low'", "reasoning_effort"))
    assert json.loads(made.encode().body)["reasoning_effort"] == "minimal"


@pytest.mark.parametrize(
    "body",
    [
        refusal("Unknown parameter: 'reasoning_effort'.", "reasoning_effort"),
        {"code": "invalid-argument", "error": "Model grok-4 does not support parameter reasoningEffort."},
        {"code": "invalid-argument", "error": "Invalid reasoning effort"},
    ],
    ids=["OpenAI", "xAI", "xAI before"],
)
def test_refused_effort_field_is_left_out(body: object) -> None:
    """Where the field itself is refused, no level helps."""
    learned = Learned()
    made = translator({"output_config": {"effort": "low"}}, OPENAI, learned=learned)
    assert heal(made, body)
    assert "reasoning_effort" not in json.loads(made.encode().body)


def test_tools_without_reasoning() -> None:
    """Models that take tools only without reasoning are asked so."""
    learned = Learned()
    message = "Function tools with reasoning_effort are not supported for this model. Set reasoning_effort to 'none'."
    assert heal(translator(quirks=OPENAI, learned=learned), refusal(message, "reasoning_effort"))
    assert learned.quirks == {"tools_need_no_reasoning": True}


@pytest.mark.parametrize(
    ("message", "param", "status"),
    [
        ("Invalid 'temperature': decimal above maximum value.", "temperature", 400),
        ("Invalid value: 'x'", "messages[0]", 400),
        ("Unsupported parameter: 'seed'", "seed", 400),
        ("Tool choice must be 'auto', 'none' or 'required'", "tool_choice", 400),
        ("web_search cannot be combined with function calling", "tools", 400),
        ("Unknown field: store", None, 500),
        ("Unknown field: store", None, 401),
    ],
    ids=[
        *("a value of this request", "another fault", "never sent", "another choice", "another combination"),
        *("server error", "refused key"),
    ],
)
def test_other_errors_teach_nothing(message: str, param: str | None, status: int) -> None:
    """A wrong value of one request must not take the field from all that follow."""
    learned = Learned()
    assert not heal(translator(quirks=OPENAI, learned=learned), refusal(message, param), status)
    assert learned.quirks == {}


def test_same_lesson_is_not_learned_twice() -> None:
    """A field that is left out already was not the fault: no endless retries."""
    learned = Learned()
    body = refusal("Use max_tokens or max_completion_tokens: unsupported 'max_tokens'", "max_tokens")
    assert heal(translator(quirks=OPENAI, learned=learned), body)
    made = translator(quirks=OPENAI, learned=learned)
    assert not heal(made, refusal("unsupported 'max_completion_tokens'", "max_completion_tokens"))
    assert heal(made, refusal("Unknown field: store"))
    assert not heal(translator(quirks=OPENAI, learned=learned), refusal("Unknown field: store"))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Unknown field: store", {"store": False}),
        ("Use max_completion_tokens: unsupported 'max_tokens'", {"max_tokens_field": "max_completion_tokens"}),
        ("max_tokens: 64000 > 8192, which is the maximum", {"max_output": 8192}),
        ("reasoning_effort does not support 'high'", {"efforts": ("minimal", "low", "medium")}),
        ("System message must be at the beginning.", {"merge_system": True}),
    ],
)
def test_requests_that_are_refused_together_are_all_sent_again(message: str, expected: dict[str, object]) -> None:
    """Agents work in parallel: each of their requests is sent anew, and what all of them hear is learned once."""
    learned = Learned()
    request = {"max_tokens": 64000, "output_config": {"effort": "high"}}
    together = [translator(request, OPENAI, learned=learned) for _ in range(3)]
    assert [heal(made, refusal(message)) for made in together] == [True, True, True]
    assert learned.quirks == expected


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 64000. This model supports at most 8192 completion tokens.",
        "`max_completion_tokens` must be less than or equal to `8192`, the maximum value for this model",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "max_tokens (current value: 64000) must be between 0 and 8192 ",
        "Range of max_tokens should be [1, 8192]",
        "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for this model",
        "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that "
        "is lower than 8192.",
        "Unable to submit request because it has a maxOutputTokens value of 64000 but the supported range is from 1 "
        "(inclusive) to 8193 (exclusive). Update the value and try again.",
        "Requested maximum tokens of 64000 exceeds the maximum output tokens limit: 8192.",
        "max_tokens: 64000 exceeds maximum 8192 trace_id: 0f",
        "max_tokens must be at most 8192, got 64000",
        "The requested max_tokens (64000) exceeds the maximum output tokens allowed for model acme-7 (8192)",
    ],
    ids=[
        *("OpenAI", "Groq", "DeepSeek", "Novita", "DashScope", "Anthropic behind a gateway", "Bedrock", "Vertex AI"),
        *("others at Vertex AI", "Novita's newer words", "TokenRouter", "LLM Gateway"),
    ],
)
def test_too_many_tokens_asked_for_are_lowered(message: str) -> None:
    """Clients ask for Claude's 64000 tokens of any model: one whose limit is not known tells it in its refusal."""
    check_lowered(refusal(message))


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("field MaxTokens invalid, should be in [1, 8192]", "max_tokens"),
        ("Param Incorrect", "max_tokens is too large: 64000. This model supports at most 8192 completion tokens."),
    ],
    ids=["the field apart", "all of it apart"],
)
def test_too_many_tokens_are_lowered_also_where_the_field_stands_apart(message: str, param: str) -> None:
    """The sentence names no field, or says nothing: what is wrong stands beside it."""
    check_lowered(refusal(message, param))


@pytest.mark.parametrize(
    "body",
    [
        of_provider(
            '{"error": {"message": "Invalid \'max_output_tokens\': integer below minimum value. Expected a value '
            '>= 16, but got 1 instead.", "param": "max_output_tokens", "code": "integer_below_min_value"}}'
        ),
        refusal("max_tokens must be at least 16 for sonar."),
    ],
    ids=["OpenAI behind OpenRouter", "Perplexity"],
)
def test_too_few_tokens_asked_for_are_raised(body: object) -> None:
    """Claude Code asks for one token where it only wants to know whether a model is there: a refusal would say no."""
    learned = Learned()
    made = translator({"max_tokens": 1}, learned=learned)
    assert heal(made, body)
    again = translator({"max_tokens": 1}, learned=learned)
    assert json.loads(again.encode().body)["max_tokens"] == 16
    assert [loss.path for loss in again.losses] == ["max_tokens"]
    assert not heal(again, body)
    assert json.loads(translator({"max_tokens": 64000}, learned=learned).encode().body)["max_tokens"] == 64000


def test_a_prompt_that_leaves_no_room_raises_nothing() -> None:
    """vLLM says how many tokens are left for an answer, and none are."""
    assert not heal(translator(), refusal("max_tokens must be at least 1, got -853."))


def check_lowered(body: object) -> None:
    learned = Learned()
    made = translator({"max_tokens": 64000}, learned=learned)
    assert heal(made, body)
    again = translator({"max_tokens": 64000}, learned=learned)
    assert json.loads(again.encode().body)["max_tokens"] == 8192
    assert [loss.path for loss in again.losses] == ["max_tokens"]
    assert not heal(again, body)


def test_cache_breakpoints_are_left_out_where_nobody_takes_them() -> None:
    """OpenRouter finds no provider of the model that would: the conversation goes on without."""
    learned = Learned()
    quirks = msgspec.structs.replace(OPENAI, cache_control=True)
    request = {"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]}
    made = translator(request, quirks, learned=learned)
    body = {"error": {"message": "No endpoints found that support cache control", "code": 404}}
    assert b"cache_control" in made.encode().body
    assert heal(made, body, 404)
    assert b"cache_control" not in made.encode().body
