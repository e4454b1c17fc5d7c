"""What a Chat-compatible server's refusal teaches: the quirk that sends the next request without what it refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.openai_errors import read_refusal

_REFUSES = re.compile(
    r"unsupported|not support|n't support|unknown|unrecogni[sz]ed|unexpected|extra[ _]"
    r"|not (?:permitted|allowed|available|compatible)|only (?:the default|1 is allowed)|must be (?:one of|removed)"
    r"|deprecated",
    re.IGNORECASE,
)
_AT_MOST = re.compile(
    r"at most (\d{1,9}) (?:completion|output)|less than or equal to [`']?(\d{1,9})"
    r"|(?:range of )?max_(?:completion_)?tokens (?:is|should be) \[\d{1,9}, ?(\d{1,9})\]"
    r"|max_tokens: \d{1,9} > (\d{1,9})",
    re.IGNORECASE,
)
_LENGTH_FIELDS = frozenset({"max_tokens", "max_completion_tokens"})
_SWITCHES: Mapping[str, tuple[str, object]] = {
    "stream_options": ("stream_options", False),
    "include_obfuscation": ("obfuscation", False),
    "parallel_tool_calls": ("parallel_tool_calls", False),
    "strict": ("strict", False),
    "store": ("store", False),
    "prompt_cache_key": ("prompt_cache_key", False),
    "safety_identifier": ("safety_identifier", False),
    "service_tier": ("service_tier", False),
    "temperature": ("sampling", False),
    "top_p": ("sampling", False),
    "top_k": ("top_k", False),
    "stop": ("max_stop", 0),
    "cache_control": ("cache_control", False),
    "reasoning_details": ("reasoning_details", False),
    "chat_template_kwargs": ("reasoning", "none"),
    "enable_thinking": ("reasoning", "none"),
    "thinking": ("reasoning", "none"),
    "reasoning": ("reasoning", "none"),
    "json_schema": ("response_format", "json_object"),
}
"""Refused field -> quirk, and its value that leaves the field out."""
_NAMED = re.compile(r"[A-Za-z_]{3,}")


def lesson(body: bytes, quirks: ChatQuirks, sent_effort: str | None) -> tuple[str, object] | None:
    """(quirk field, value) that mends what the body of a 400 or 422 complains of, or None.

    `sent_effort` is the `reasoning_effort` of the refused request.
    """
    text = body.decode("utf-8", "replace")
    if (found := _length_lesson(text, body, quirks)) is not None:
        return found
    if not _REFUSES.search(text):
        return None
    if (found := _special_lesson(text, body, quirks, sent_effort)) is not None:
        return found
    for name in _named_fields(body, text):
        if switch := _SWITCHES.get(name):
            field, value = switch
            if getattr(quirks, field) != value:
                return switch
    return None


def _special_lesson(text: str, body: bytes, quirks: ChatQuirks, sent_effort: str | None) -> tuple[str, object] | None:
    names = set(_named_fields(body, text))
    if names & _LENGTH_FIELDS:
        other = "max_completion_tokens" if quirks.max_tokens_field == "max_tokens" else "max_tokens"
        return ("max_tokens_field", other) if quirks.max_tokens_field in names else None
    if "reasoning_effort" in names:
        return _effort_lesson(text, quirks, sent_effort)
    if re.search(r"\bdeveloper\b", text) and quirks.system_role == "developer":
        return "system_role", "system"
    return None


def _length_lesson(text: str, body: bytes, quirks: ChatQuirks) -> tuple[str, object] | None:
    """Clients ask every model for as many tokens as Claude gives; what a server gives at most, it says."""
    limit = _AT_MOST.search(text)
    if limit is None or _LENGTH_FIELDS.isdisjoint(_named_fields(body, text)):
        return None
    highest = next(int(number) for number in limit.groups() if number)
    return ("max_output", highest) if highest and highest != quirks.max_output else None


def _effort_lesson(text: str, quirks: ChatQuirks, sent_effort: str | None) -> tuple[str, object]:
    if re.search(r"\btools\b", text) and not quirks.tools_need_no_reasoning:
        return "tools_need_no_reasoning", True
    # A level that is refused is left out; a nearer one takes its place, or none where it was the last.
    others = tuple(effort for effort in quirks.efforts if effort != sent_effort)
    if sent_effort in quirks.efforts and others and re.search(rf"\b{re.escape(sent_effort)}\b", text):
        return "efforts", others
    return "reasoning", "none"


def _named_fields(body: bytes, text: str) -> list[str]:
    """Field names in what was said, those first that stand in a place of their own (`param`)."""
    try:
        error = msgspec.json.decode(body, type=_Envelope).error
        param = error.param or ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        param = ""
    said = read_refusal(body).text or text
    return _NAMED.findall(param) + _NAMED.findall(said)


class _Param(msgspec.Struct):
    param: str | None = None


class _Envelope(msgspec.Struct):
    error: _Param
