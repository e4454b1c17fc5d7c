"""Blocks as text, for upstreams that have no part for them: documents, search results, the server tools of others."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.raw import given
from llm_to_anthropic.wire.anthropic import OtherBlock, ServerToolUseBlock

MAX_SEARCH_RESULTS = 20
MAX_DEPTH = 12
"""How deep a server tool's result is read; those of the API are less deep."""

_SILENT = frozenset({"fallback", "mcp_tool_listing"})
_READABLE = ("title", "url", "error_code", "text", "stdout", "stderr", "data", "lines", "source", "content")


class _McpCall(msgspec.Struct):
    name: str = "tool"
    server_name: str = "MCP"
    input: Raw = Raw()


class _References(msgspec.Struct):
    tool_references: list[dict[str, object]] = msgspec.field(default_factory=list)


class _SearchedTools(msgspec.Struct):
    content: _References


def is_carried_as_text(block_type: str) -> bool:
    """Whether an assistant's block of this type is known: carried as text, or of no use to a model."""
    return block_type.endswith("_tool_result") or block_type == "mcp_tool_use" or block_type in _SILENT


def searched_tools(block: OtherBlock) -> list[str]:
    """The tools that a tool search found."""
    try:
        found = msgspec.json.decode(block.raw, type=_SearchedTools).content.tool_references
    except msgspec.ValidationError:
        return []
    return [name for reference in found if isinstance(name := reference.get("tool_name"), str)]


def document_text(index: int, title: str | None, context: str | None, text: str) -> str:
    """A text document in a wrapper that names it."""
    named = f' title="{title}"' if title else ""
    lead = f"<context>{context}</context>\n" if context else ""
    return f'<document index="{index}"{named}>\n{lead}{text}\n</document>'


def search_result_text(source: str, title: str, texts: list[str]) -> str:
    """A search result in a wrapper that names where it is from."""
    inner = "\n".join(texts)
    return f'<search_result source="{source}" title="{title}">\n{inner}\n</search_result>'


def reference_text(name: str) -> str:
    """What a tool reference says to a model that sees the tool among the others."""
    return f"Tool {name} is now available."


def error_text(text: str) -> str:
    """The result of a call that failed, for upstreams that have no other mark for it."""
    return text if text.lower().lstrip().startswith(("error", "<tool_use_error>")) else f"Error: {text}"


def attachment_texts(kind: str, number: int, call_id: str) -> tuple[str, str]:
    """For results that hold text alone: the text in place of an image or document, and one before it further down."""
    return f"[{kind.lower()} {number} attached below]", f"{kind} {number} from tool call {call_id}:"


def server_call_text(block: ServerToolUseBlock) -> str:
    """A server tool's call in an assistant's history: `[web_search "query"]`, or code in a fence."""
    code = _code(block.input) if block.name == "code_execution" else ""
    return f"[{block.name}]\n```\n{code}\n```" if code else _call_text(block.name, block.input)


def other_text(block: OtherBlock) -> str:
    """A server tool's result, or an MCP call; empty where there is nothing for a model to read."""
    if block.type in _SILENT:
        return ""
    if block.type == "mcp_tool_use":
        call = _decode_mcp(block.raw)
        return _call_text(f"{call.server_name} {call.name}", call.input)
    name = block.type.removesuffix("_tool_result")
    lines = [line for line in _lines(_decode(block.raw), MAX_DEPTH) if line.strip()]
    if block.type == "web_search_tool_result":
        lines = lines[:MAX_SEARCH_RESULTS]
    return "\n".join([f"[{name} result]", *lines])


def _call_text(name: str, arguments: Raw) -> str:
    value = _decode(arguments) if given(arguments) else {}
    if isinstance(value, dict):
        only = list(value.values())
        if not only:
            return f"[{name}]"
        if len(only) == 1 and isinstance(only[0], str):
            return f'[{name} "{only[0]}"]'
    return f"[{name} {msgspec.json.encode(value).decode()}]"


def _code(arguments: Raw) -> str:
    value = _decode(arguments) if given(arguments) else {}
    code = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, str) else ""


def _decode(raw: Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return ""


def _decode_mcp(raw: Raw) -> _McpCall:
    try:
        return msgspec.json.decode(raw, type=_McpCall)
    except msgspec.ValidationError:
        return _McpCall()


def _lines(value: object, depth: int) -> Iterator[str]:
    """The parts of a server tool's result that a model can read, outermost first."""
    if depth == 0:
        return
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _lines(item, depth - 1)
        case {"tool_name": str(name)}:
            yield reference_text(name)
        case {"type": "base64"}:
            yield "[binary data]"
        case {"type": "web_search_result", "title": str(title), "url": str(url)}:
            yield f"{title} - {url}"
        case dict():
            for key in ("tool_references", *_READABLE):
                yield from _lines(value.get(key), depth - 1)
