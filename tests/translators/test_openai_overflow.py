"""Prompts too long for a model behind OpenAI's APIs are told in the words by which Claude Code compacts."""

from __future__ import annotations

import json
import re

import pytest

from llm_to_anthropic.translators.openai.errors import embedded_error
from tests.translators.openai_errors import context, error


@pytest.mark.parametrize(
    ("text", "window", "expected"),
    [
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            None,
            (9001, 8192),
            id="OpenAI",
        ),
        pytest.param(
            "This model's maximum context length is 8,192 tokens. However, you requested 9,001 tokens",
            None,
            (9001, 8192),
            id="thousands",
        ),
        pytest.param(
            "request (2009 tokens) exceeds the available context size (512 tokens)", None, (2009, 512), id="llama.cpp"
        ),
        pytest.param(
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            None,
            (1200000, 1048576),
            id="Gemini",
        ),
        pytest.param(
            "Input tokens exceed the configured limit of 100 tokens. Your messages resulted in 120 tokens.",
            None,
            (120, 100),
            id="configured limit",
        ),
        pytest.param(
            "The decoder prompt (length 120) is longer than the maximum model length of 100.",
            None,
            (120, 100),
            id="older vLLM",
        ),
        pytest.param(
            "You passed 120 input tokens and requested 10 output tokens. However, the model's context length is only "
            "100 tokens.",
            None,
            (120, 100),
            id="newer vLLM",
        ),
        pytest.param(
            "The input (120 tokens) is longer than the model's context length (100 tokens).",
            None,
            (120, 100),
            id="SGLang",
        ),
        pytest.param(
            "Prompt contains 120 tokens and 0 draft tokens, too large for model with 100 maximum context length",
            None,
            (120, 100),
            id="Mistral",
        ),
        pytest.param(
            "This model's maximum prompt length is 100 but the request contains 120 tokens.",
            None,
            (120, 100),
            id="xAI",
        ),
        pytest.param(
            "The prompt is too long: 120, model maximum context length: 100", None, (120, 100), id="Fireworks"
        ),
        pytest.param(
            "Please reduce the length of the messages or completion. Current length is 120 while limit is 100",
            None,
            (120, 100),
            id="Cerebras",
        ),
        pytest.param(
            "`inputs` tokens + `max_new_tokens` must be <= 100. Given: 120 `inputs` tokens and 5 `max_new_tokens`",
            None,
            (120, 100),
            id="TGI",
        ),
        pytest.param(
            "Input validation error: `inputs` must have less than 100 tokens. Given: 120",
            None,
            (120, 100),
            id="TGI, the prompt alone",
        ),
        pytest.param(
            "too many tokens: total number of tokens in the prompt cannot exceed 100 - received 120",
            None,
            (120, 100),
            id="Cohere",
        ),
        pytest.param(
            "Invalid request: Your request exceeded model token limit: 5000", None, (5001, 5000), id="Moonshot"
        ),
        pytest.param(
            "Your request exceeded model token limit: 100 (requested: 120)", None, (120, 100), id="Moonshot, both"
        ),
        pytest.param("prompt token count of 120 exceeds the limit of 100", None, (120, 100), id="GitHub Copilot"),
        pytest.param(
            "length of prompt_tokens (120) must be less than max_seq_len (100).", None, (120, 100), id="SiliconFlow"
        ),
        pytest.param(
            "This model's maximum context length is 100 tokens. However, you requested 10 output tokens and your prompt"
            " contains at least 120 input tokens, for a total of at least 130 tokens.",
            None,
            (120, 100),
            id="newer vLLM, the prompt alone",
        ),
        pytest.param(
            "This model's maximum context length is 800 tokens. However, you requested 100 output tokens and your"
            " prompt contains at least 701 input tokens, for a total of at least 801 tokens.",
            None,
            (801, 800),
            id="newer vLLM, that counts no further",
        ),
        pytest.param(
            "The estimated number of input and maximum output tokens (120) exceeded this model context window limit"
            " (100).",
            None,
            (120, 100),
            id="Cloudflare",
        ),
        pytest.param("Range of input length should be [1, 5000]", None, (5001, 5000), id="DashScope"),
        pytest.param(
            "Request body too large for x model. Max size: 5000 tokens.", None, (5001, 5000), id="GitHub Models"
        ),
        pytest.param(
            "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 120>="
            " n_ctx: 100). Try to load the model with a larger context length, or provide a shorter input.",
            5000,
            (120, 100),
            id="LM Studio",
        ),
        pytest.param("Cannot truncate prompt with n_keep (120) >= n_ctx (100)", 5000, (120, 100), id="newer LM Studio"),
        pytest.param(
            "Trying to keep the first 120 tokens when context the overflows. However, the model is loaded with context"
            " length of only 100 tokens, which is not enough.",
            5000,
            (120, 100),
            id="older LM Studio",
        ),
        pytest.param("context window exceeds limit (2013)", None, (1000, 999), id="MiniMax, a code in brackets"),
        pytest.param("Prompt exceeds max length", None, (1000, 999), id="Zhipu"),
        pytest.param("Please reduce the length of the messages or completion.", None, (1000, 999), id="Groq"),
        pytest.param(
            "max_tokens must be at least 1, got -53. (parameter=max_tokens, value=-53)", None, (1000, 947), id="NIM"
        ),
        pytest.param("max_tokens must be at least 1, got -53.", 5000, (5053, 5000), id="NIM, a window that is known"),
        pytest.param("max_tokens must be at least 1, got -5300.", None, (5301, 1), id="NIM, more than estimated"),
        pytest.param(
            "prompt too long; exceeded max context length by 53 tokens", 5000, (5053, 5000), id="Ollama's cloud"
        ),
        pytest.param("max tokens of 5000 exceeded", None, (5001, 5000), id="Snowflake"),
        pytest.param("Total tokens of image and text exceed max message tokens.", None, (1000, 999), id="Ark"),
        pytest.param("Total message token length exceed model limit (5000 tokens).", None, (5001, 5000), id="Qwen"),
        pytest.param("Prompt 超长", None, (1000, 999), id="Zhipu in China"),
        pytest.param("tokens in request more than max tokens allowed", None, (1000, 999), id="gateways"),
        pytest.param(
            "Input length 120 exceeds the maximum allowed input length of 100 tokens.", None, (120, 100), id="Poolside"
        ),
        pytest.param("Your input exceeds the context window of this model.", 5000, (5001, 5000), id="no numbers"),
        pytest.param("Your input exceeds the context window of this model.", None, (1000, 999), id="nothing known"),
        pytest.param(
            "The total length of all messages is too long.", 800, (1000, 800), id="an estimate above the limit"
        ),
    ],
)
def test_context_overflow(text: str, window: int | None, expected: tuple[int, int]) -> None:
    """Claude Code compacts on one wording alone, with two numbers in it."""
    found = error(400, {"error": {"message": text}}, window=window)
    assert found.message == f"prompt is too long: {expected[0]} tokens > {expected[1]} maximum"
    assert (found.status, found.type) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    "fields",
    [
        {"code": "context_length_exceeded"},
        {"code": "model_max_prompt_tokens_exceeded"},
        {"type": "exceed_context_size_error", "n_ctx": 512, "n_prompt_tokens": 2009},
    ],
    ids=["code", "GitHub Copilot's code", "members"],
)
def test_context_overflow_by_its_code(fields: dict[str, object]) -> None:
    """The code tells, even without a word."""
    message = error(400, {"error": {"message": "Too big."} | fields}).message
    assert re.fullmatch(r"prompt is too long: \d+ tokens > \d+ maximum", message)


OVERFLOWS = [
    "The number of tokens to keep from the prompt is greater than the context length (n_keep: 120>= n_ctx: 100).",
    "Cannot truncate prompt with n_keep (120) >= n_ctx (100)",
    "Trying to keep the first 120 tokens when context the overflows. The context length is only 100 tokens.",
    "Context size has been exceeded.",
    "request (120 tokens) exceeds the available context size (100 tokens), try increasing it",
    "This model's maximum context length is 100 tokens. However, your messages resulted in 120 tokens.",
]


@pytest.mark.parametrize("text", OVERFLOWS)
@pytest.mark.parametrize("fields", [{}, {"type": "server_error", "code": 500}], ids=["bare", "a failure"])
def test_context_overflow_inside_a_stream(text: str, fields: dict[str, object]) -> None:
    """LM Studio and llama.cpp say it in an event, without a status or with a server's: clients compact all the same."""
    found = embedded_error(json.dumps({"message": text} | fields).encode(), context(window=100))
    assert re.fullmatch(r"prompt is too long: \d+ tokens > 100 maximum", found.message)
    assert (found.status, found.type) == (400, "invalid_request_error")


@pytest.mark.parametrize("text", OVERFLOWS)
def test_context_overflow_as_a_failure_of_the_server(text: str) -> None:
    """llama.cpp answers 500: asking again would not help."""
    found = error(500, {"error": {"code": 500, "message": text, "type": "server_error"}}, window=100)
    assert (found.status, found.message.partition(":")[0]) == (400, "prompt is too long")


@pytest.mark.parametrize(
    "text",
    ["Failed to load the model: no memory for a context length of 131072", "failed to allocate the context window"],
)
def test_a_failure_that_has_to_do_with_the_context_is_no_overflow(text: str) -> None:
    """A server that lacks memory for its own context would not be helped by a shorter conversation."""
    assert error(500, {"error": {"message": text}}).status == 500
    assert embedded_error(json.dumps({"message": text}).encode(), context()).status == 502


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"
        " (1000 in the messages, 4000 in the completion).",
        "'max_tokens' or 'max_completion_tokens' is too large: 4000. This model's maximum context length is 4096 tokens"
        " and your request has 1000 input tokens (4000 > 4096 - 1000).",
        "This endpoint's maximum context length is 4096 tokens. However, you requested about 5000 tokens"
        " (1000 of text input, 4000 in the output).",
        "This endpoint's maximum context length is 4096 tokens. However, you requested about 5000 tokens"
        " (600 of text input, 400 of tool input, 4000 in the output).",
        "This model's maximum context length is 4096 tokens. However, you requested 4000 output tokens and your prompt"
        " contains at least 1000 input tokens, for a total of at least 5000 tokens.",
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 5000"
        " tokens: 1000 tokens from the input messages and 4000 tokens for the completion.",
        "This model's maximum context length is 4096 tokens. However, you requested 4000 output tokens and your prompt"
        " contains at least 97 input tokens, for a total of at least 4097 tokens.",
        "max_tokens=4000 cannot be greater than max_model_len=max_total_tokens=4096. Please request fewer output"
        " tokens. (parameter=max_tokens, value=4000)",
        "max_completion_tokens=4000cannot be greater than max_model_len=max_total_tokens=4096.",
        "input length and `max_tokens` exceed context limit: 1000 + 4000 > 4096, decrease input length or `max_tokens`"
        " and try again",
    ],
    ids=[
        *("OpenAI", "vLLM", "OpenRouter", "OpenRouter with tools", "newer vLLM", "SGLang"),
        *("vLLM that counts no further", "vLLM that does not count", "its other field", "Anthropic's own"),
    ],
)
def test_too_many_tokens_asked_for(text: str) -> None:
    """Where the prompt alone fits, the client is told to ask for fewer tokens."""
    assert error(400, {"error": {"message": text}}).message == (
        "input length and `max_tokens` exceed context limit: 1000 + 4000 > 4096, "
        "decrease input length or `max_tokens` and try again"
    )
