"""What a refusal by Google teaches: the quirk that sends the next request without what was refused."""

from __future__ import annotations

import re

from llm_to_anthropic.providers.quirks import GeminiQuirks
from llm_to_anthropic.translators.gemini.errors import read_refusal

_SIGNATURE = re.compile(r"thought[ _]?signature", re.IGNORECASE)
_MOST_OUTPUT = re.compile(r"max_?output_?tokens.{0,80}\bto (\d{1,9}) ?\(exclusive\)", re.IGNORECASE)
"""Of Vertex AI, which for some models gives one token less than their pages say."""
_LESSONS: tuple[tuple[re.Pattern[str], str, object], ...] = (
    (re.compile(r"parameters_?json_?schema", re.IGNORECASE), "json_schema", False),
    (re.compile(r"response_?json_?schema", re.IGNORECASE), "json_schema", False),
    (
        re.compile(
            r"\bschema at (?:top-level|properties\b)|at top-level must be an? |didn't specify the schema type field"
            r"|function_?declarations\[\d+\]\.parameters\b.{0,200}?: (?:missing field|property is not defined)",
            re.IGNORECASE,
        ),
        "json_schema",
        False,
    ),
    (re.compile(r"response mime ?type.{0,60}unsupported", re.IGNORECASE), "schema_with_tools", False),
    (re.compile(r"developer instruction is not enabled", re.IGNORECASE), "system_instruction", False),
    (re.compile(r"include_?server_?side_?tool_?invocations", re.IGNORECASE), "mixed_tools", False),
    (re.compile(r"tool use with function calling is unsupported", re.IGNORECASE), "mixed_tools", False),
    (re.compile(r"multiple tools are supported only when", re.IGNORECASE), "search_with_tools", False),
    (
        re.compile(r"thinking_?(?:level|budget|config)|include_?thoughts|thinking (?:level|budget)", re.I),
        "thinking",
        "none",
    ),
    (
        re.compile(r"thinking is not (?:enabled|supported)|not support thinking|only works in thinking mode", re.I),
        "thinking",
        "none",
    ),
    (re.compile(r"\"(?:parts|inline_?data)\" at '[^']*function_?response", re.IGNORECASE), "result_media", False),
    (re.compile(r"multimodal function ?response|function_?response\.parts", re.IGNORECASE), "result_media", False),
    (re.compile(r"\"id\" at '[^']*function_?(?:call|response)", re.IGNORECASE), "call_ids", False),
    (
        re.compile(r"\"(?:temperature|top_?p|top_?k)\"|(?:temperature|top_?[pk]) is not supported", re.I),
        "sampling",
        False,
    ),
)
"""What Google complains of -> quirk, and its value that leaves it out."""


def is_about_signatures(body: bytes) -> bool:
    """Whether Google refused a thought signature, or missed one."""
    return _SIGNATURE.search(read_refusal(body).text) is not None


def lesson(body: bytes, quirks: GeminiQuirks) -> tuple[str, object] | None:
    """(quirk field, value) that mends what the body of a 400 complains of, or None."""
    text = read_refusal(body).everything.replace('\\"', '"')
    if (beyond := _MOST_OUTPUT.search(text)) and (most := int(beyond[1]) - 1) != quirks.max_output:
        return "max_output", most
    for pattern, field, value in _LESSONS:
        if getattr(quirks, field) != value and pattern.search(text):
            return field, value
    return None
