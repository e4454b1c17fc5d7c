"""A request to OpenAI Responses as it travels: the fields that we write.

All Structs leave out what is unset, so a field without a default is always sent.
Source: the types of the openai Python SDK 3.54 (`types/responses`).
"""

from __future__ import annotations

import msgspec
from msgspec import Raw


class InputText(msgspec.Struct, tag="input_text"):
    text: str


class InputImage(msgspec.Struct, tag="input_image"):
    image_url: str
    """A public address, or a `data:` URL."""
    detail: str = "auto"


class InputFile(msgspec.Struct, tag="input_file", omit_defaults=True):
    """A PDF: by its address, or as a `data:` URL with the name that it must then have."""

    filename: str | None = None
    file_data: str | None = None
    file_url: str | None = None


InputPart = InputText | InputImage | InputFile


class MessageItem(msgspec.Struct, tag="message", kw_only=True, omit_defaults=True):
    """Words of the user, of the developer, or of the assistant (those as one string)."""

    role: str
    content: str | list[InputPart]
    phase: str | None = None


class CallItem(msgspec.Struct, tag="function_call", kw_only=True):
    """A call in the history. Its `id` is not needed, and could not be looked up."""

    call_id: str
    name: str
    arguments: str


class OutputItem(msgspec.Struct, tag="function_call_output", kw_only=True):
    call_id: str
    output: str | list[InputPart]


class CompactionItem(msgspec.Struct, tag="compaction"):
    """What the server made of all items before it. Its `id` is not needed, and could not be looked up."""

    encrypted_content: str


InputItem = MessageItem | CallItem | OutputItem | Raw
"""Raw: an item as the upstream made it, or one that was encoded before."""


class FunctionTool(msgspec.Struct, tag="function", kw_only=True, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: Raw
    strict: bool | None = None
    """Always said to OpenAI, which closes the schema by itself where nothing is."""


class SearchFilters(msgspec.Struct, kw_only=True, omit_defaults=True):
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class UserLocation(msgspec.Struct, tag="approximate", kw_only=True, omit_defaults=True):
    """Without one OpenAI takes the user to be in the United States; an empty one is nowhere."""

    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class WebSearchTool(msgspec.Struct, tag="web_search", kw_only=True, omit_defaults=True):
    filters: SearchFilters | None = None
    user_location: UserLocation | None = None


class Container(msgspec.Struct):
    type: str = "auto"


class CodeInterpreterTool(msgspec.Struct, tag="code_interpreter"):
    container: str | Container


class McpTool(msgspec.Struct, tag="mcp", kw_only=True, omit_defaults=True):
    server_label: str
    server_url: str
    authorization: str | None = None
    allowed_tools: list[str] | None = None
    # Not a default: it must be sent.
    require_approval: str


RequestTool = FunctionTool | WebSearchTool | CodeInterpreterTool | McpTool


class Reasoning(msgspec.Struct, kw_only=True, omit_defaults=True):
    effort: str | None = None
    summary: str | None = None


class JsonSchemaFormat(msgspec.Struct, tag="json_schema", kw_only=True, omit_defaults=True):
    name: str
    schema: Raw
    strict: bool | None = None


class JsonObjectFormat(msgspec.Struct, tag="json_object"):
    pass


class TextOptions(msgspec.Struct):
    format: JsonSchemaFormat | JsonObjectFormat


class StreamOptions(msgspec.Struct):
    include_obfuscation: bool


class Prompt(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The part of a request that makes input tokens; alone, `POST {base}/responses/input_tokens`. None is not sent."""

    model: str
    instructions: str | None = None
    input: list[InputItem]
    tools: list[RequestTool] | None = None
    tool_choice: Raw | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    text: TextOptions | None = None
    truncation: str | None = None


class Compaction(msgspec.Struct, tag="compaction"):
    """Has a conversation summed up that holds more tokens."""

    compact_threshold: int


class ResponsesRequest(Prompt, kw_only=True, omit_defaults=True):
    """`POST {base}/responses`."""

    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    include: list[str] | None = None
    context_management: list[Compaction] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
