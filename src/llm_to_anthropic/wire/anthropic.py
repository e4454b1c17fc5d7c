"""Anthropic's Messages API as it travels: requests in two decoding steps, messages out.

Blocks of a request stay raw until a translator asks for them (`Block` or `OtherBlock`), since
clients add block types with every release and msgspec refuses unknown tags.
Source: the types of the anthropic Python SDK 2.12 and platform.claude.com, Messages.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

NO_RAW = Raw()
"""The default of a raw field: absent. `bool(field)` is False for it."""


class CacheControl(msgspec.Struct):
    type: str = "ephemeral"
    ttl: str | None = None


class Citations(msgspec.Struct):
    enabled: bool | None = None


class Base64Source(msgspec.Struct, tag="base64"):
    media_type: str
    data: str


class UrlSource(msgspec.Struct, tag="url"):
    url: str


class FileSource(msgspec.Struct, tag="file"):
    file_id: str


class TextSource(msgspec.Struct, tag="text"):
    data: str
    media_type: str = "text/plain"


class ContentSource(msgspec.Struct, tag="content"):
    content: str | list[Raw]


ImageSource = Base64Source | UrlSource | FileSource
DocumentSource = Base64Source | UrlSource | FileSource | TextSource | ContentSource


class TextBlock(msgspec.Struct, tag="text"):
    text: str
    cache_control: CacheControl | None = None
    citations: Raw = NO_RAW


class ImageBlock(msgspec.Struct, tag="image"):
    source: ImageSource
    cache_control: CacheControl | None = None


class DocumentBlock(msgspec.Struct, tag="document"):
    source: DocumentSource
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None
    cache_control: CacheControl | None = None


class SearchResultBlock(msgspec.Struct, tag="search_result"):
    source: str
    title: str
    content: list[Raw]
    citations: Citations | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(msgspec.Struct, tag="thinking"):
    thinking: str = ""
    signature: str | None = None


class RedactedThinkingBlock(msgspec.Struct, tag="redacted_thinking"):
    data: str = ""


class ToolUseBlock(msgspec.Struct, tag="tool_use"):
    id: str
    name: str
    input: Raw = NO_RAW
    cache_control: CacheControl | None = None


class ToolResultBlock(msgspec.Struct, tag="tool_result"):
    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class ToolReferenceBlock(msgspec.Struct, tag="tool_reference"):
    tool_name: str


class ServerToolUseBlock(msgspec.Struct, tag="server_tool_use"):
    id: str
    name: str
    input: Raw = NO_RAW


class CompactionBlock(msgspec.Struct, tag="compaction"):
    content: str | None = None
    encrypted_content: str | None = None


class ToolAdditionBlock(msgspec.Struct, tag="tool_addition"):
    tool: Raw


class ToolRemovalBlock(msgspec.Struct, tag="tool_removal"):
    tool: Raw


KnownBlock = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ToolResultBlock
    | ToolReferenceBlock
    | ServerToolUseBlock
    | CompactionBlock
    | ToolAdditionBlock
    | ToolRemovalBlock
)


class OtherBlock(msgspec.Struct):
    """A block of a type that has no Struct here: results of server tools, MCP, what is to come."""

    type: str
    raw: Raw = NO_RAW
    """The whole block as it came."""


Block = KnownBlock | OtherBlock


class OutputFormat(msgspec.Struct):
    type: str
    schema: Raw = NO_RAW


class OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: OutputFormat | None = None
    task_budget: Raw = NO_RAW


class InputMessage(msgspec.Struct):
    role: str
    content: str | list[Raw] | None = None
    output_config: OutputConfig | None = None
    clear_at: str | None = None
    """When a system message ends: with `next_user_message` once the user has spoken again."""


class Tool(msgspec.Struct):
    """Any tool of a request: custom ones have no type or `custom`, the others a dated type."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: Raw = NO_RAW
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: list[Raw] | None = None
    cache_control: CacheControl | None = None
    max_uses: int | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    user_location: Raw = NO_RAW
    citations: Citations | None = None
    max_content_tokens: int | None = None
    display_width_px: int | None = None
    display_height_px: int | None = None
    max_characters: int | None = None
    mcp_server_name: str | None = None
    default_config: Raw = NO_RAW
    configs: Raw = NO_RAW


class ToolChoice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class Metadata(msgspec.Struct):
    user_id: str | None = None


class MessagesRequest(msgspec.Struct):
    """`POST /v1/messages` and count_tokens (which sends no `max_tokens`)."""

    model: str
    messages: list[Raw]
    """InputMessages: agents resend nearly all of them each turn, and those need not be read again."""
    max_tokens: int | None = None
    system: str | list[Raw] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    metadata: Metadata | None = None
    service_tier: str | None = None
    speed: str | None = None
    cache_control: CacheControl | None = None
    container: Raw = NO_RAW
    context_management: Raw = NO_RAW
    compaction: Raw = NO_RAW
    mcp_servers: Raw = NO_RAW
    thread: Raw = NO_RAW
    safeguards: Raw = NO_RAW
    fallbacks: Raw = NO_RAW


class Envelope(msgspec.Struct):
    """What the way of a request needs to know before a translator reads the rest."""

    model: str
    stream: bool | None = None
    messages: Raw = NO_RAW
    """Found in the same pass; a second one costs as much as the first."""


class CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class OutputTokensDetails(msgspec.Struct):
    thinking_tokens: int = 0


class ServerToolUsage(msgspec.Struct, kw_only=True):
    web_fetch_requests: int = 0
    web_search_requests: int = 0


class MessageUsage(msgspec.Struct, kw_only=True):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation: CacheCreation
    output_tokens_details: OutputTokensDetails
    server_tool_use: ServerToolUsage | UnsetType = UNSET
    service_tier: str = "standard"


class StopDetails(msgspec.Struct, kw_only=True):
    type: str = "refusal"
    category: str | None = None
    explanation: str | None = None


class SearchCitation(msgspec.Struct, tag="web_search_result_location", kw_only=True):
    """The part of a search result that a text rests on."""

    url: str
    title: str | None = None
    cited_text: str
    encrypted_index: str


class OutText(msgspec.Struct, tag="text"):
    text: str
    citations: list[SearchCitation] | UnsetType = UNSET
    """Left out where there are none, as Anthropic does: Vercel's AI SDK refuses null."""


class OutThinking(msgspec.Struct, tag="thinking"):
    thinking: str
    signature: str


class OutToolUse(msgspec.Struct, tag="tool_use"):
    id: str
    name: str
    input: Raw


class OutServerToolUse(msgspec.Struct, tag="server_tool_use"):
    """A call of a tool that the upstream runs itself."""

    id: str
    name: str
    input: Raw


class SearchResult(msgspec.Struct, tag="web_search_result", kw_only=True):
    url: str
    title: str
    encrypted_content: str
    page_age: str | None = None


class SearchError(msgspec.Struct, tag="web_search_tool_result_error"):
    error_code: str


class OutSearchResults(msgspec.Struct, tag="web_search_tool_result"):
    tool_use_id: str
    content: list[SearchResult] | SearchError


class FetchedDocument(msgspec.Struct, tag="document", kw_only=True):
    source: TextSource
    title: str | None = None


class FetchedPage(msgspec.Struct, tag="web_fetch_result", kw_only=True):
    url: str
    content: FetchedDocument
    retrieved_at: str | None = None


class FetchError(msgspec.Struct, tag="web_fetch_tool_result_error"):
    error_code: str


class OutFetchResult(msgspec.Struct, tag="web_fetch_tool_result"):
    tool_use_id: str
    content: FetchedPage | FetchError


class CodeResult(msgspec.Struct, tag="code_execution_result", kw_only=True):
    stdout: str = ""
    stderr: str = ""
    return_code: int = 0
    content: list[Raw] = []


class CodeError(msgspec.Struct, tag="code_execution_tool_result_error"):
    error_code: str


class OutCodeResult(msgspec.Struct, tag="code_execution_tool_result"):
    tool_use_id: str
    content: CodeResult | CodeError


class OutMcpToolUse(msgspec.Struct, tag="mcp_tool_use"):
    """A call of a tool of an MCP server, which the upstream made itself."""

    id: str
    name: str
    server_name: str
    input: Raw


class OutMcpResult(msgspec.Struct, tag="mcp_tool_result"):
    tool_use_id: str
    is_error: bool
    content: list[OutText]


class OutCompaction(msgspec.Struct, tag="compaction", kw_only=True):
    """A summary of the conversation that only the upstream can read."""

    content: str | None = None
    encrypted_content: str


WholeBlock = (
    OutText
    | OutServerToolUse
    | OutSearchResults
    | OutFetchResult
    | OutCodeResult
    | OutMcpToolUse
    | OutMcpResult
    | OutCompaction
)
"""Blocks that are complete when they are written."""
OutBlock = WholeBlock | OutThinking | OutToolUse


class Container(msgspec.Struct):
    """Where the upstream ran code."""

    id: str
    expires_at: str
    """RFC 3339."""


class Message(msgspec.Struct, kw_only=True):
    """The answer: one whole message."""

    id: str
    type: str = "message"
    role: str = "assistant"
    model: str
    content: list[OutBlock]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    container: Container | UnsetType = UNSET
    usage: MessageUsage
