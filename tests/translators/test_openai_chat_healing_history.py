"""What refusals teach of the conversation itself: order and form of messages, images, reasoning that goes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

import msgspec
import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.translator import Learned
from tests.translators.chat_answers import chat_request, translator, translator_of
from tests.translators.chat_refusals import OPENAI, heal, of_provider, refusal
from tests.translators.chat_requests import HI, Json, assistant, call, image, result, text, user


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
WITHOUT_SYSTEM = {"system_role": "user", "merge_system": True, "merge_same_role": True}


@pytest.mark.parametrize(
    ("message", "status", "expected"),
    [
        ("System message must be at the beginning.", 400, {"merge_system": True}),
        ("system message must be at the beginning", 500, {"merge_system": True}),
        ("Developer instruction is not enabled for models/gemma-3n-e4b-it", 400, WITHOUT_SYSTEM),
        ("System role not supported", 400, WITHOUT_SYSTEM),
        ("Only user and assistant roles are supported!", 500, WITHOUT_SYSTEM),
        (
            "Only user and assistant roles are supported, with the exception of an initial optional system message!",
            500,
            {"merge_system": True},
        ),
        ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", 400, WITHOUT_SYSTEM),
        ("This model doesn't support system messages. Try again without them.", 400, WITHOUT_SYSTEM),
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
            "This model does not support assistant message prefill. The conversation must end with a user message.",
            400,
            {"prefill": False},
        ),
        ("Assistant response prefill is incompatible with enable_thinking.", 400, {"prefill": False}),
        ("Assistant response prefill is incompatible with enable_thinking.", 500, {"prefill": False}),
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
            "This model always engages in thinking and cannot be disabled; please use low, high, or max",
            400,
            {"efforts": ("low", "high", "max")},
        ),
        (
            "该模型始终思考\uff0c不支持关闭思考",
            400,
            {"efforts": ("low", "high", "max")},
        ),
        (
            "JSON schema conversion failed:\nPattern must start with '^' and end with '$'",
            400,
            {"patterns": False},
        ),
        ("Invalid schema for function 'A': '^**$' is not a 'regex'.", 400, {"patterns": False}),
        (
            "Failed to initialize samplers: failed to parse grammar",
            400,
            {"patterns": False, "lengths": False},
        ),
        (
            'Engine protocol predict request returned 400: {"error":{"code":400,"message":"Failed to initialize '
            'samplers: failed to parse grammar","type":"invalid_request_error"}}',
            500,
            {"patterns": False, "lengths": False},
        ),
        ("This model only supports single tool-calls at once!", 500, {"calls_together": False}),
        ("Tool choice must be auto", 400, {"tool_choice": "auto"}),
        ("No endpoints found that support the provided 'tool_choice' value.", 404, {"tool_choice": "auto"}),
        (
            'tool_choice is one of the strings that should be ["none", "auto"]',
            400,
            {"tool_choice": "auto"},
        ),
        ("This response_format type is unavailable now", 400, {"response_format": "json_object"}),
        (
            "<400> InvalidParameter: Json mode response is not supported when enable_thinking is true",
            400,
            {"response_format": "prompt"},
        ),
        ("json mode cannot be combined with tool/function calling", 400, {"schema_with_tools": False}),
        ('"tools" is incompatible with "response_format"', 400, {"schema_with_tools": False}),
        ("Unsupported JSON schema fields: {'minItems', 'items'}", 400, {"response_format": "json_object"}),
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
        *(
            "vLLM",
            "Ollama",
            "Google's Gemma",
            "Gemma's roles",
            "Mistral's roles",
            "Mixtral's",
            "o1-mini",
            "Bedrock's roles",
        ),
        *("OpenRouter's reasoning", "llama.cpp", "Gemma's template", "Perplexity"),
        *(
            "Mistral's order",
            *("Bedrock", "Mistral's beginning", "Anthropic's beginning", "Qwen's template", "z.ai", "GLM"),
            *("Mistral's prefill", "Claude's prefill", "llama.cpp's prefill", "old llama.cpp's prefill"),
            "Mistral's ids",
            "Kimi's schemas",
            "Kimi's names",
            *("Kimi that thinks", "GLM that thinks", "GLM that thinks in Chinese"),
            "llama.cpp's patterns",
            "OpenAI's patterns",
            *("llama.cpp's grammars", "LM Studio's grammars", "Llama 3's template"),
            "Copilot's choice",
            "OpenRouter's choice",
            "Qwen's choice",
            "DeepSeek's format",
            "DashScope's format beside thinking",
            "Groq's format beside tools",
            "Cerebras's format beside tools",
            "Cerebras's schemas",
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
        ("Invalid content type. image_url is only supported by certain models.", 400),
        (
            "'messages.1' : for 'role:user' the following must be satisfied[('messages.1.content' : value must be a "
            "string)]",
            400,
        ),
    ],
    ids=[
        *("DeepSeek", "OpenRouter", "Ollama", "llama.cpp", "vLLM", "vLLM before", "FlashML", "SiliconFlow"),
        *("GitHub Copilot", "LM Studio", "OpenAI", "Groq"),
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


def test_what_a_refusal_says_of_one_request_is_kept_over_the_next() -> None:
    """A request that had to go without its sealed reasoning goes without it too where it then asks for fewer tokens."""
    learned, request = Learned(), chat_request(sealed_history() | {"max_tokens": 64000})
    quirks = ChatQuirks(reasoning_details=True)
    assert heal(translator_of(request, quirks, learned=learned), of_provider("Corrupted thought signature."))
    few = {"error": {"message": "You requested up to 64000 tokens, but can only afford 27342.", "code": 402}}
    assert heal(translator_of(request, quirks, learned=learned), few, 402)
    sent = translator_of(request, quirks, learned=learned).encode().body
    assert (json.loads(sent)["max_tokens"], b"xyz" in sent) == (27342, False)
