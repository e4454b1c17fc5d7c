"""What a refusal by OpenAI Responses teaches: the quirk that sends the next request without what was refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_to_anthropic.providers.quirks import ResponsesQuirks
from llm_to_anthropic.translators.openai.healing import (
    EFFORT_OF_XAI,
    Complaint,
    fewer_efforts,
    read_complaint,
    refused_field,
    unread_content,
)

_SWITCHES: Mapping[str, tuple[str, object]] = {
    "temperature": ("sampling", False),
    "top_p": ("sampling", False),
    "summary": ("summaries", False),
    "summaries": ("summaries", False),
    "encrypted_content": ("encrypted_content", False),
    "encrypted": ("encrypted_content", False),
    "context_management": ("compaction", False),
    "safety_identifier": ("safety_identifier", False),
    "prompt_cache_key": ("prompt_cache_key", False),
    "stream_options": ("obfuscation", False),
    "include_obfuscation": ("obfuscation", False),
    "max_tool_calls": ("max_tool_calls", False),
    "parallel_tool_calls": ("parallel_tool_calls", False),
    "service_tier": ("service_tier", False),
    "store": ("store", False),
    "truncation": ("truncation", False),
    "strict": ("strict", False),
    "blocked_domains": ("blocked_domains", False),
    "json_schema": ("response_format", "json_object"),
    "developer": ("system_role", "system"),
}
"""Refused field -> quirk, and its value that leaves the field out."""
_NO_SYSTEM = re.compile(r"\bsystem messages? (?:are|is) not (?:allowed|supported)", re.IGNORECASE)
_LENGTH_FIELDS = frozenset({"max_output_tokens", "max_tokens"})
_TOOLS = re.compile(r"(web_search|code_interpreter|mcp)(?:_preview|_\d[\d_]*)?'?", re.IGNORECASE)
_INCLUDE = re.compile(r"[\"'`]include[\"'`\[]")
"""The field, not the word."""
_TOOL_REFUSED = re.compile(r"\btools?\b", re.IGNORECASE)
_ALWAYS_STREAMS = re.compile(r"\bstream\b\W{0,3} (?:must|has to|needs to|should) be (?:set to )?\W?true", re.IGNORECASE)
_REASONING = re.compile(
    r"invalid_encrypted_content|encrypted content (?:for item|could not)|could not be (?:decrypted|verified)"
    r"|item (?:with id )?'?rs_\w*'? (?:not found|of type)|without its required following item"
    r"|duplicate item found with id rs_|no item with id rs_",
    re.IGNORECASE,
)


def is_about_reasoning(body: bytes) -> bool:
    """Whether an upstream refused the reasoning of earlier answers that it was given back."""
    return _REASONING.search(read_complaint(body).text) is not None


def lesson(body: bytes, quirks: ResponsesQuirks, sent_effort: str | None) -> tuple[str, object] | None:
    """(quirk field, value) that mends what the body of a 400 or 422 complains of, or None.

    `sent_effort` is the `reasoning.effort` of the refused request.
    """
    complaint = read_complaint(body)
    names = complaint.names
    if complaint.most and not _LENGTH_FIELDS.isdisjoint(names):
        return ("max_output", complaint.most) if complaint.most != quirks.max_output else None
    if (unread := unread_content(complaint, images=quirks.images, patterns=quirks.patterns)) is not None:
        return unread, False
    if (streams := _ALWAYS_STREAMS.search(complaint.text)) and quirks.streams == "long":
        return "streams", "always"
    if not complaint.refuses:
        return None
    if complaint.param == "stream" and quirks.streams != "never" and not streams:
        return "streams", "never"
    if quirks.limits_output and "max_output_tokens" in names:
        return "limits_output", False
    if quirks.system_role == "system" and _NO_SYSTEM.search(complaint.text):
        return "system_role", "developer"
    if quirks.efforts and ("effort" in names or EFFORT_OF_XAI in names):
        return "efforts", fewer_efforts(complaint, quirks.efforts, sent_effort)
    if (found := refused_field(map(str.lower, names), _SWITCHES, quirks)) is not None:
        return found
    if quirks.encrypted_content and _INCLUDE.search(complaint.text):
        return "encrypted_content", False
    if "reasoning" in names and quirks.efforts:
        return "efforts", ()
    return _tool_lesson(complaint, quirks)


def _tool_lesson(complaint: Complaint, quirks: ResponsesQuirks) -> tuple[str, object] | None:
    """A tool that the upstream does not run with this model."""
    named = _TOOLS.search(complaint.text)
    if named is None or not _TOOL_REFUSED.search(complaint.text):
        return None
    refused = named[1].lower()
    others = tuple(tool for tool in quirks.hosted if tool != refused)
    return ("hosted", others) if others != quirks.hosted else None
