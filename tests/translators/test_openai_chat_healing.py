"""A field that an upstream refuses is left out from then on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

import msgspec
import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.openai_chat import OpenAIChatTranslator
from llm_to_anthropic.translators.translator import Learned
from tests.translators.chat_answers import chat_request, translator, translator_of
from tests.translators.chat_requests import HI, Json, assistant, call, image, result, text, user

OPENAI = ChatQuirks(efforts=("minimal", "low", "medium", "high"), strict=True, store=True, system_role="developer")


def heal(made: OpenAIChatTranslator, body: object, status: int = 400) -> bool:
    raw = json.dumps(body).encode()
    return made.heal(made.decode_error(status, {}, raw), raw)


def refusal(message: str, param: str | None = None) -> object:
    return {"error": {"message": message, "param": param, "type": "invalid_request_error"}}


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
    ],
    ids=[
        "max_tokens",
        "stream_options",
        "parallel",
        "Qwen's thinking",
        "QwQ",
        "long answers",
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
    ],
)
def test_refused_field_becomes_a_quirk(message: str, param: str | None, expected: dict[str, object]) -> None:
    """What the upstream complains of is remembered for its target, and one retry makes sense."""
    learned = Learned()
    assert heal(translator(quirks=OPENAI, learned=learned), refusal(message, param))
    assert learned.quirks == expected


def test_validation_errors_of_other_servers_are_understood() -> None:
    """Mistral and vLLM list what they forbid by its place."""
    learned = Learned()
    body = {"detail": [{"type": "extra_forbidden", "loc": ["body", "store"], "msg": "Extra inputs are not permitted"}]}
    assert heal(translator(quirks=OPENAI, learned=learned), body, 422)
    assert learned.quirks == {"store": False}


def test_a_choice_of_any_tool_is_refused_after_one_of_a_single_tool() -> None:
    """What a model cannot be made to do is learned step by step."""
    learned = Learned()
    assert heal(translator(learned=learned), refusal("tool_choice 'specified' is incompatible with thinking enabled"))
    assert heal(translator(learned=learned), refusal("tool_choice 'required' is incompatible with thinking enabled"))
    assert learned.quirks == {"tool_choice": "auto"}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("reasoning_content", "messages.2.assistant.reasoning_content: property '...' is unsupported"),
        ("reasoning_content", "'messages.1' : for 'role:assistant' [property 'reasoning_content' is unsupported]"),
        ("reasoning", "'messages.2' : for 'role:assistant' [property 'reasoning' is unsupported]"),
    ],
    ids=["Cerebras", "Groq", "Groq's own field"],
)
def test_refused_reasoning_of_the_history_is_left_out(field: Literal["reasoning"], message: str) -> None:
    """A model's family has its reasoning sent back; a strict server of that model refuses the field."""
    learned = Learned()
    made = translator(quirks=ChatQuirks(reasoning_history=field, efforts=("low",)), learned=learned)
    assert heal(made, refusal(message))
    assert learned.quirks == {"reasoning_history": "none"}


def of_provider(raw: str) -> object:
    """What OpenRouter makes of the refusal of a provider behind it."""
    return {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}}


def sealed_history() -> Json:
    item = msgspec.Raw(b'{"type":"reasoning.encrypted","data":"xyz"}')
    signature = encode_carrier(Carrier(vendor="c", provider="acme", model="acme-1", items=[item]))
    thinking = {"type": "thinking", "thinking": "t", "signature": signature}
    return {"messages": [*HI, assistant(thinking, text("a")), *HI]}


@pytest.mark.parametrize(
    "raw",
    [
        '{"error": {"code": 400, "message": "Corrupted thought signature.", "status": "INVALID_ARGUMENT"}}',
        '{"error": {"code": 400, "message": "Unable to submit request because Thought signature is not valid"}}',
        '{"message":"messages.7.content.2: Invalid signature in thinking block"}',
        '{"error":{"message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}',
        '{"error":{"message":"`thinking` blocks in the latest assistant message cannot be modified"}}',
        '{"error":{"message":"The encrypted content gAAA could not be verified.","code":"invalid_encrypted_content"}}',
    ],
    ids=["Google", "Vertex AI", "Bedrock", "Anthropic", "Anthropic of a call", "OpenAI"],
)
def test_sealed_reasoning_that_is_refused_is_left_out_once(raw: str) -> None:
    """OpenRouter asks another vendor for the same model, who cannot read what the first had sealed."""
    learned = Learned()
    quirks = ChatQuirks(reasoning_history="reasoning", reasoning_details=True)
    request = chat_request(sealed_history())
    made = translator_of(request, quirks, learned=learned)
    assert b"xyz" in made.encode().body
    assert heal(made, of_provider(raw))
    again = translator_of(request, quirks, learned=learned)
    sent = again.encode().body
    assert b"xyz" not in sent
    assert b'"reasoning":"t"' in sent
    assert learned.quirks == {}
    assert not heal(again, of_provider(raw))
    assert b"xyz" in translator(sealed_history(), quirks, learned=learned).encode().body


def test_refused_signatures_need_some_in_the_history() -> None:
    """Where no sealed reasoning was sent, another try would be the same."""
    made = translator(quirks=ChatQuirks(reasoning_details=True))
    assert not heal(made, of_provider("Corrupted thought signature."))


@pytest.mark.parametrize(("details", "field"), [(True, "reasoning_details"), (False, "extra_content")])
@pytest.mark.parametrize("request_of", [dict, sealed_history], ids=["plain", "sealed"])
def test_missed_signatures_of_calls_are_made_up(details: bool, field: str, request_of: Callable[[], Json]) -> None:
    """A gateway that nobody knows leads to Gemini, which wants a signature on each call of the history."""
    learned = Learned()
    request = chat_request(request_of())
    made = translator_of(request, ChatQuirks(reasoning_details=details), learned=learned)
    missing = "Function call is missing a thought_signature in functionCall parts."
    assert heal(made, of_provider(missing))
    assert learned.quirks == {"call_signatures": field}
    assert not request.unsigned


ALTERNATING = {"merge_system": True, "merge_same_role": True, "user_first": True, "user_after_tool": False}


@pytest.mark.parametrize(
    ("message", "status", "expected"),
    [
        ("System message must be at the beginning.", 400, {"merge_system": True}),
        ("system message must be at the beginning", 500, {"merge_system": True}),
        ("Reasoning is mandatory for this endpoint and cannot be disabled.", 400, {"reasons": True}),
        (
            "While executing CallExpression at line 189: raise_exception('After the optional system message, con... "
            "Error: Jinja Exception: After the optional system message, conversation roles must alternate user and "
            "assistant roles except for tool calls and results.",
            500,
            ALTERNATING,
        ),
        ("Conversation roles must alternate user/assistant/user/assistant/...", 400, ALTERNATING),
        (
            "After the (optional) system message(s), user or tool message(s) should alternate with assistant "
            "message(s).",
            400,
            ALTERNATING,
        ),
        ("Unexpected role 'user' after role 'tool'", 400, ALTERNATING),
        (
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message.",
            400,
            {"user_first": True},
        ),
        ("Conversation must start with a user or system message, got assistant.", 400, {"user_first": True}),
        ('messages: first message must use the "user" role', 400, {"user_first": True}),
        ("No user query found in messages.", 500, {"user_first": True}),
        ("The messages parameter is illegal. Please check the documentation.", 400, {"user_first": True}),
        ("messages 参数非法。请检查文档。", 400, {"user_first": True}),
        (
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
            400,
            {"prefix": True},
        ),
        (
            "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
            400,
            {"short_ids": True},
        ),
        (
            "tools.function.parameters is not a valid moonshot flavored json schema, details: "
            "<At path 'properties.args': type is not defined>",
            400,
            {"typed_schema": True},
        ),
        (
            "function name is invalid, must start with a letter and can contain letters, numbers, underscores, and "
            "dashes",
            400,
            {"letter_names": True},
        ),
        ("invalid thinking: only type=enabled is allowed for this model", 400, {"reasoning": "none"}),
        (
            "JSON schema conversion failed:\nPattern must start with '^' and end with '$'",
            400,
            {"patterns": False},
        ),
        ("Invalid schema for function 'A': '^**$' is not a 'regex'.", 400, {"patterns": False}),
        ("Tool choice must be auto", 400, {"tool_choice": "auto"}),
        ("No endpoints found that support the provided 'tool_choice' value.", 404, {"tool_choice": "auto"}),
        ("This response_format type is unavailable now", 400, {"response_format": "json_object"}),
        ("json mode cannot be combined with tool/function calling", 400, {"schema_with_tools": False}),
        (
            "Invalid 'content': 'content' field must be a string or an array of objects..",
            400,
            {"null_content": False},
        ),
        ('expected string, received null at "params.messages[2].content"', 400, {"null_content": False}),
        ("invalid params, chat content is empty (2013)", 400, {"empty_tool_result": "(no output)"}),
        (
            "The request failed because it is missing `messages.content` parameter. Request id: 0217",
            400,
            {"empty_tool_result": "(no output)"},
        ),
        ("messages 中 content 不能为空", 400, {"empty_tool_result": "(no output)"}),
        ("未正常接收到prompt参数。", 400, {"empty_tool_result": "(no output)"}),
    ],
    ids=[
        *("vLLM", "Ollama", "OpenRouter's reasoning", "llama.cpp", "Gemma's template", "Perplexity"),
        *(
            "Mistral's order",
            *("Bedrock", "Mistral's beginning", "Anthropic's beginning", "Qwen's template", "z.ai", "GLM"),
            "Mistral's prefill",
            "Mistral's ids",
            "Kimi's schemas",
            "Kimi's names",
            "Kimi that thinks",
            "llama.cpp's patterns",
            "OpenAI's patterns",
            "Copilot's choice",
            "OpenRouter's choice",
            "DeepSeek's format",
            "Groq's format beside tools",
            "LM Studio's null",
            "Command Code's null",
            "MiniMax's empty result",
            "Ark's",
            "Hunyuan's",
            "z.ai's empty result",
        ),
    ],
)
def test_order_and_form_of_messages_are_learned(message: str, status: int, expected: dict[str, object]) -> None:
    """A chat template that nobody knows, or a strict server, says which messages it can render."""
    learned = Learned()
    body = {"error": {"code": status, "message": message, "type": "server_error"}}
    assert heal(translator(learned=learned), body, status)
    assert learned.quirks == expected
    assert not heal(translator(learned=learned), body, status)


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


PICTURE = {"messages": [user(image())]}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("Failed to deserialize the JSON body: messages[1]: unknown variant `image_url`, expected `text`", 400),
        ("No endpoints found that support image input", 404),
        ("this model does not support image input (ref: b8bd630e)", 400),
        ("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj", 500),
        ("acme/text-1 is not a multimodal model", 400),
        ("At most 0 image(s) may be provided in one prompt.", 400),
        ("Unsupported content part type for text-only server: image_url", 400),
        ("The model is not a VLM (Vision Language Model). Please use text-only prompts.", 400),
        ('model "claude-opus-4.6" not supported for vision', 400),
        ("Model does not support images. Please use a model that does.", 400),
    ],
    ids=[
        *("DeepSeek", "OpenRouter", "Ollama", "llama.cpp", "vLLM", "vLLM before", "FlashML", "SiliconFlow"),
        *("GitHub Copilot", "LM Studio"),
    ],
)
def test_images_are_left_out_once_they_were_refused(message: str, status: int) -> None:
    """A picture in the history ends no session with a model that sees none: it is told that one was left out."""
    learned = Learned()
    body = {"error": {"message": message, "code": status}}
    made = translator(PICTURE, learned=learned)
    assert heal(made, body, status)
    assert learned.quirks == {"images": False}
    again = translator(PICTURE, learned=learned)
    assert "image was left out" in json.loads(again.encode().body)["messages"][0]["content"]
    assert [loss.path for loss in again.losses] == ["messages[0].content[0]"]
    assert not heal(again, body, status)


@pytest.mark.parametrize(
    "message",
    [
        "Invalid image: the format image/tiff is not supported",
        "image exceeds 5 MB maximum",
        "This model does not support image URLs, send base64",
        "The model does not support images larger than 5 MB",
        "The requested model is not supported.",
    ],
)
def test_a_picture_that_is_refused_says_nothing_of_others(message: str) -> None:
    """One image may be too large or of a wrong kind, or its address cannot be fetched."""
    learned = Learned()
    assert not heal(translator(PICTURE, learned=learned), refusal(message))
    assert learned.quirks == {}


@pytest.mark.parametrize(
    "message",
    [
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "Missing `reasoning_content` field in the assistant message at message index 2.",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 3",
    ],
    ids=["DeepSeek", "DeepSeek before", "Moonshot"],
)
def test_missed_reasoning_of_the_history_is_given_back(message: str) -> None:
    """A model that thinks is reached under a name that nobody knows, and wants its thoughts with the calls."""
    learned = Learned()
    history = {"messages": [*HI, assistant(call("toolu_1")), user(result("toolu_1"))]}
    made = translator(history, learned=learned)
    assert heal(made, of_provider(message))
    assert learned.quirks == {"reasoning_history": "reasoning_content"}
    sent = json.loads(translator(history, learned=learned).encode().body)
    assert sent["messages"][1]["reasoning_content"] == " "
    assert not heal(translator(history, learned=learned), of_provider(message))


@pytest.mark.parametrize(
    ("field", "message", "expected"),
    [
        ("reasoning", "property 'reasoning' is unsupported", {"reasoning": "none"}),
        ("reasoning_content", "The reasoning_content in messages must be passed back to the API", {}),
    ],
    ids=["a field of the request", "a field that is missed"],
)
def test_other_complaints_of_reasoning_leave_the_history(
    field: Literal["reasoning"], message: str, expected: dict[str, object]
) -> None:
    """DeepSeek misses reasoning in the history, others refuse to be asked for it: neither is about the history's."""
    learned = Learned()
    heal(translator(quirks=ChatQuirks(reasoning_history=field), learned=learned), refusal(message))
    assert learned.quirks == expected


def test_complaint_that_names_none_is_not_about_the_history() -> None:
    """Where no reasoning goes back, `none` among the words of a complaint hides no other lesson."""
    learned = Learned()
    message = "messages: role 'developer' is not supported, none of the roles of this template"
    assert heal(translator(quirks=OPENAI, learned=learned), refusal(message))
    assert learned.quirks == {"system_role": "system"}


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
    ],
    ids=["OpenAI", "xAI"],
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


def test_what_a_refusal_says_of_one_request_is_kept_over_the_next() -> None:
    """A request that had to go without its sealed reasoning goes without it too where it then asks for fewer tokens."""
    learned, request = Learned(), chat_request(sealed_history() | {"max_tokens": 64000})
    quirks = ChatQuirks(reasoning_details=True)
    assert heal(translator_of(request, quirks, learned=learned), of_provider("Corrupted thought signature."))
    few = {"error": {"message": "You requested up to 64000 tokens, but can only afford 27342.", "code": 402}}
    assert heal(translator_of(request, quirks, learned=learned), few, 402)
    sent = translator_of(request, quirks, learned=learned).encode().body
    assert (json.loads(sent)["max_tokens"], b"xyz" in sent) == (27342, False)


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 64000. This model supports at most 8192 completion tokens.",
        "`max_completion_tokens` must be less than or equal to `8192`, the maximum value for this model",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "max_tokens (current value: 64000) must be between 0 and 8192 ",
        "Range of max_tokens should be [1, 8192]",
        "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for this model",
    ],
    ids=["OpenAI", "Groq", "DeepSeek", "Novita", "DashScope", "Anthropic behind a gateway"],
)
def test_too_many_tokens_asked_for_are_lowered(message: str) -> None:
    """Clients ask for Claude's 64000 tokens of any model: one whose limit is not known tells it in its refusal."""
    learned = Learned()
    made = translator({"max_tokens": 64000}, learned=learned)
    assert heal(made, refusal(message))
    again = translator({"max_tokens": 64000}, learned=learned)
    assert json.loads(again.encode().body)["max_tokens"] == 8192
    assert [loss.path for loss in again.losses] == ["max_tokens"]
    assert not heal(again, refusal(message))
