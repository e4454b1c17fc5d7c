"""OpenAI Chat Completions as it travels: the fields that we read or write.

Requests are built of these Structs with `omit_defaults`; answers are decoded strictly first and,
where a compatible server deviates in a type, loosely (translators/openai_chat/loose.py).
Source: the types of the openai Python SDK 3.54 (`types/chat`) and the recorded answers of 40 vendors.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.wire.anthropic import NO_RAW


class FunctionCall(msgspec.Struct, omit_defaults=True):
    name: str | None = None
    arguments: str | None = None


class CustomCall(msgspec.Struct, omit_defaults=True):
    name: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct, omit_defaults=True):
    """A call in a request, a whole answer or a chunk (`index` only there)."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None
    extra_content: Raw = NO_RAW
    """What a server wants back with the call as it came: Gemini's thought signature."""


class Said(msgspec.Struct):
    """What an answer says beside its text."""

    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    """GitHub Copilot's own place of it."""
    reasoning_details: list[Raw] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None


class Delta(Said):
    """`choices[].delta` of a chunk, and `choices[].message` of a whole answer: the fields are the same."""

    content: str | None = None


class WholeMessage(Said):
    """The same with its text as it came: mostly that only travels."""

    content: Raw = NO_RAW


class Chosen(msgspec.Struct):
    """A choice without what it says."""

    index: int | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    """vLLM: the stop sequence that matched (a string), or the id of a stop token (a number)."""
    matched_stop: str | int | None = None
    """The same of SGLang."""
    error: Raw = NO_RAW
    usage: Usage | None = None
    """Moonshot's own place of the usage in streams."""


class Choice(Chosen):
    delta: Delta | None = None
    message: Delta | None = None


class WholeChoice(Chosen):
    delta: WholeMessage | None = None
    message: WholeMessage | None = None


class PromptTokensDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    created_cache_tokens: int | None = None


class CompletionTokensDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: PromptTokensDetails | None = None
    output_tokens_details: CompletionTokensDetails | None = None


class GroqExtras(msgspec.Struct):
    usage: Usage | None = None
    error: Raw = NO_RAW
    """Why a stream stopped early."""


class Completed(msgspec.Struct):
    """An answer without its choices."""

    usage: Usage | None = None
    error: Raw = NO_RAW
    service_tier: str | None = None
    x_groq: GroqExtras | None = None
    """Groq's own place of the usage and of errors in streams."""
    message: Raw = NO_RAW
    """This and the next three: an error that some servers (vLLM, FastAPI) put bare into a stream, without `error`."""
    detail: Raw = NO_RAW
    code: Raw = NO_RAW
    type: Raw = NO_RAW


class Completion(Completed):
    """A whole answer or one chunk of a stream."""

    choices: list[Choice] | None = None


class WholeCompletion(Completed):
    """A whole answer, its texts as they came."""

    choices: list[WholeChoice] | None = None


class TextPart(msgspec.Struct, tag="text", omit_defaults=True):
    text: str
    cache_control: Raw | None = None


class ImageUrl(msgspec.Struct):
    url: str


class ImagePart(msgspec.Struct, tag="image_url"):
    image_url: ImageUrl


class File(msgspec.Struct):
    filename: str
    file_data: str


class FilePart(msgspec.Struct, tag="file"):
    file: File


class DocumentUrlPart(msgspec.Struct, tag="document_url"):
    """Mistral's own: a PDF at a public address, or in a `data:` URL."""

    document_url: str


Part = TextPart | ImagePart | FilePart | DocumentUrlPart


class ChatMessage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One message of a request; `content` is null, a string or parts."""

    role: str
    content: str | list[Part] | None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Raw] | None = None
    prefix: bool | None = None


class Function(msgspec.Struct, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: Raw | None = None
    strict: bool | None = None


class FunctionTool(msgspec.Struct):
    function: Function
    type: str = "function"


class JsonSchema(msgspec.Struct, omit_defaults=True):
    schema: Raw
    name: str
    strict: bool | None = None


class StreamOptions(msgspec.Struct, omit_defaults=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`POST {base}/chat/completions`. Whatever is None is not sent."""

    model: str
    messages: list[ChatMessage | Raw]
    """Raw: a message encoded before."""
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Raw | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    reasoning: Raw | None = None
    thinking: Raw | None = None
    chat_template_kwargs: Raw | None = None
    enable_thinking: bool | None = None
    response_format: Raw | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    store: bool | None = None
