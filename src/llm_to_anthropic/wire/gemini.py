"""Google's generateContent as it travels: the fields that we read or write, of requests and answers.

Names are camelCase on the wire. Requests are built of these Structs, and whatever has its default is not sent.
Source: the types of the google-genai Python SDK 3.4 and ai.google.dev/api.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.wire.anthropic import NO_RAW

BYPASS = "skip_thought_signature_validator"
"""Stands for a signature that nobody has: calls that another model made, or whose thinking a client left out.
Source: ai.google.dev/gemini-api/docs/thought-signatures."""


class Blob(msgspec.Struct, omit_defaults=True, rename="camel"):
    """Bytes in base64."""

    mime_type: str | None = None
    data: str | None = None


class FileData(msgspec.Struct, omit_defaults=True, rename="camel"):
    mime_type: str | None = None
    file_uri: str | None = None


class PartialArgument(msgspec.Struct, rename="camel"):
    """A piece of a call's arguments, for the place that a JSON path names."""

    json_path: str = ""
    string_value: str | None = None
    number_value: float | None = None
    bool_value: bool | None = None
    will_continue: bool | None = None


class FunctionCall(msgspec.Struct, omit_defaults=True, rename="camel"):
    id: str | None = None
    name: str | None = None
    args: Raw = NO_RAW
    partial_args: list[PartialArgument] | None = None
    """Vertex AI alone, and only where it was asked for."""
    will_continue: bool | None = None


class FunctionResponsePart(msgspec.Struct, omit_defaults=True, rename="camel"):
    inline_data: Blob | None = None


class FunctionResponse(msgspec.Struct, omit_defaults=True):
    id: str | None = None
    name: str | None = None
    response: Raw = NO_RAW
    parts: list[FunctionResponsePart] | None = None


class ExecutableCode(msgspec.Struct, omit_defaults=True):
    code: str | None = None
    language: str | None = None
    id: str | None = None


class CodeExecutionResult(msgspec.Struct, omit_defaults=True):
    outcome: str | None = None
    output: str | None = None
    id: str | None = None


class Part(msgspec.Struct, omit_defaults=True, rename="camel"):
    """One part of a content: one kind of data, and perhaps a signature; gateways also put a text beside a call."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None
    tool_call: Raw = NO_RAW
    """A call of Google's own tools, run by Google."""
    tool_response: Raw = NO_RAW


class Content(msgspec.Struct, omit_defaults=True):
    """A message of a request; raw parts are those that an answer brought and that go back as they came."""

    parts: list[Part | Raw]
    role: str | None = None


class FunctionDeclaration(msgspec.Struct, omit_defaults=True, rename="camel"):
    """At most one of the two schemas stands: any JSON Schema, or Google's own subset."""

    name: str
    description: str
    parameters_json_schema: Raw = NO_RAW
    parameters: Raw = NO_RAW


class GoogleSearch(msgspec.Struct, omit_defaults=True, rename="camel"):
    exclude_domains: list[str] | None = None


class NoOptions(msgspec.Struct):
    """A tool that takes no options: `{}`."""


class Tool(msgspec.Struct, omit_defaults=True, rename="camel"):
    function_declarations: list[FunctionDeclaration] | None = None
    google_search: GoogleSearch | None = None
    url_context: NoOptions | None = None
    code_execution: NoOptions | None = None


class FunctionCallingConfig(msgspec.Struct, omit_defaults=True, rename="camel"):
    mode: str
    allowed_function_names: list[str] | None = None


class ToolConfig(msgspec.Struct, omit_defaults=True, rename="camel"):
    function_calling_config: FunctionCallingConfig | None = None
    include_server_side_tool_invocations: bool | None = None


class ThinkingConfig(msgspec.Struct, omit_defaults=True, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(msgspec.Struct, omit_defaults=True, rename="camel"):
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    thinking_config: ThinkingConfig | None = None
    response_mime_type: str | None = None
    response_json_schema: Raw = NO_RAW
    response_schema: Raw = NO_RAW
    continuation_token: str | None = None


class SafetySetting(msgspec.Struct):
    category: str
    threshold: str


class GenerateRequest(msgspec.Struct, omit_defaults=True, kw_only=True, rename="camel"):
    """The body of generateContent and streamGenerateContent; `model` only within a count request."""

    model: str | None = None
    contents: list[Content | Raw]
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    tool_config: ToolConfig | None = None
    safety_settings: list[SafetySetting] | None = None
    generation_config: GenerationConfig | None = None


class CountRequest(msgspec.Struct, rename="camel"):
    """The body of countTokens on the Developer API; Vertex AI takes a GenerateRequest."""

    generate_content_request: GenerateRequest


class CountAnswer(msgspec.Struct, rename="camel"):
    total_tokens: int | None = None


class AnswerContent(msgspec.Struct):
    parts: list[Part] | None = None
    role: str | None = None


class Web(msgspec.Struct):
    uri: str | None = None
    title: str | None = None
    domain: str | None = None


class GroundingChunk(msgspec.Struct):
    web: Web | None = None


class Segment(msgspec.Struct, rename="camel"):
    """A piece of an answer's text, in UTF-8 bytes of one part."""

    part_index: int | None = None
    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class GroundingSupport(msgspec.Struct, rename="camel"):
    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(msgspec.Struct, rename="camel"):
    web_search_queries: list[str] | None = None
    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None


class UrlMetadata(msgspec.Struct, rename="camel"):
    retrieved_url: str | None = None
    url_retrieval_status: str | None = None


class UrlContextMetadata(msgspec.Struct, rename="camel"):
    url_metadata: list[UrlMetadata] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    index: int | None = None
    content: AnswerContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    continuation_token: str | None = None
    grounding_metadata: GroundingMetadata | None = None
    url_context_metadata: UrlContextMetadata | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class UsageMetadata(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None


class Answer(msgspec.Struct, rename="camel"):
    """A whole answer, or one fragment of a streamed one."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = NO_RAW


class TextPart(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A part that is text and nothing else, as it came: mostly that only travels."""

    text: Raw
    thought_signature: str | None = None


class TextContent(msgspec.Struct):
    parts: list[TextPart]


class TextCandidate(msgspec.Struct, rename="camel"):
    content: TextContent
    index: int | None = None
    finish_reason: str | None = None


class TextAnswer(msgspec.Struct, rename="camel"):
    """A whole answer, of text alone."""

    candidates: list[TextCandidate]
    usage_metadata: UsageMetadata
    prompt_feedback: PromptFeedback | None = None
    error: Raw = NO_RAW
