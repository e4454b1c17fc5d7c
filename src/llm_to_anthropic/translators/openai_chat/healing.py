"""What a Chat-compatible server's refusal teaches: the quirk that sends the next request without what it refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.openai.errors import read_refusal
from llm_to_anthropic.translators.openai.healing import (
    EFFORT_OF_XAI,
    Complaint,
    fewer_efforts,
    read_complaint,
    refused_field,
    unread_content,
)

_LENGTH_FIELDS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens"})
"""Those of Chat Completions, and of OpenAI's other API and of Google's behind a gateway."""
_LENGTH_IN_WORDS = ("maximum tokens you requested", "Requested maximum tokens of")
"""Bedrock and Vertex AI name no field."""
_SWITCHES: Mapping[str, tuple[str, object]] = {
    "stream_options": ("stream_options", False),
    "include_obfuscation": ("obfuscation", False),
    "tool_choice": ("tool_choice", "auto"),
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
    "chat_template": ("reasoning", "none"),
    "enable_thinking": ("reasoning", "none"),
    "thinking_budget": ("reasoning", "none"),
    "thinking": ("reasoning", "none"),
    "reasoning": ("reasoning", "none"),
    "json_schema": ("response_format", "json_object"),
}
"""Refused field -> quirk, and its value that leaves the field out."""
_OF_MESSAGES = re.compile(r"\bmessages\b|\bassistant\b")
"""A field of the history is refused, not one of the request that is called the same."""
_SEALED = re.compile(
    r"thought[ _]?signature|signature`? in `?thinking|thinking_signature|invalid_encrypted_content"
    r"|encrypted content\b.{0,200}could not be|could not be (?:decrypted|verified)|thinking`? blocks\b.{0,80}modified",
    re.IGNORECASE,
)
"""What Google, Anthropic and OpenAI say behind a gateway of reasoning that they cannot read."""
_UNSIGNED = re.compile(r"missing an? .?thought[ _]?signature", re.IGNORECASE)
_AFFORDS = re.compile(r"can only afford (\d{1,9})", re.IGNORECASE)
_ENOUGH = 1024
"""Fewer tokens are no answer that an agent could go on with: its user had better know that the credits are spent."""
_PREFILL = re.compile(
    r"\bprefill is incompatible with\b|\bnot support assistant message prefill|\bmust end with a user message",
    re.IGNORECASE,
)
"""A conversation may not end with the assistant's words."""
_NO_JSON_MODE = re.compile(r"\bjson mode\b.{0,20} not supported when enable_thinking", re.IGNORECASE)
_OF_OTHERS = re.compile(f"{_PREFILL.pattern}|{_NO_JSON_MODE.pattern}", re.IGNORECASE)
"""Names `enable_thinking`, which nobody sent or which is not at fault."""
_FORMS: tuple[tuple[re.Pattern[str], Mapping[str, object]], ...] = (
    (
        re.compile(r"roles must alternate|alternate with assistant|unexpected role '\w+' after role", re.IGNORECASE),
        {"merge_system": True, "merge_same_role": True, "user_first": True, "user_after_tool": False},
    ),
    (
        re.compile(
            r"\bdeveloper instruction is not enabled|\bsystem role (?:is )?not supported"
            r"|\brole' does not support 'system'"
            r"|\bonly user and assistant roles\b(?!.{0,40}\bexception of an initial\b)"
            r"|does(?: not|n't) support system (?:messages|prompts|instructions)",
            re.IGNORECASE,
        ),
        {"system_role": "user", "merge_system": True, "merge_same_role": True},
    ),
    (
        re.compile(
            r"system messages? (?:must|should|can only) be (?:at |in )?the (?:beginning|first|start)"
            r"|exception of an initial optional system message",
            re.IGNORECASE,
        ),
        {"merge_system": True},
    ),
    (
        re.compile(
            r"\b(?:must start|must begin) with an? user\b|\bfirst message must\b.{0,12}\buser\b|\bno user query found\b"
            r"|messages 参数非法|\bmessages parameter is illegal\b",
            re.IGNORECASE,
        ),
        {"user_first": True},
    ),
    (re.compile(r"assistant with prefix true", re.IGNORECASE), {"prefix": True}),
    (_PREFILL, {"prefill": False}),
    (_NO_JSON_MODE, {"response_format": "prompt"}),
    (re.compile(r"\bonly supports single tool-calls at once\b", re.IGNORECASE), {"calls_together": False}),
    # It does not tell what of a schema that is; the words behind are in its log alone.
    (re.compile(r"\bfailed to parse grammar\b", re.IGNORECASE), {"patterns": False, "lengths": False}),
    (re.compile(r"tool call id\b.{0,80}\blength of 9\b", re.IGNORECASE), {"short_ids": True}),
    (re.compile(r"not a valid \w+ flavored json schema", re.IGNORECASE), {"typed_schema": True}),
    (
        re.compile(
            r"unknown name\W{1,8}\w+\W{1,8}at\b[^:]{1,40}function_?declarations\b[^:]{0,20}parameters", re.IGNORECASE
        ),
        {"google_schema": True},
    ),
    (re.compile(r"\bfunction name\b.{0,30}\bmust start with a letter", re.IGNORECASE), {"letter_names": True}),
    (
        re.compile(
            r"\btool[_ ]choice (?:must be|only supports?) .?auto(?!.{0,20}\brequired)"
            r"|support the provided .?tool_choice|tool_choice is one of .{0,30}should be \[.none., ?.auto.\]",
            re.IGNORECASE,
        ),
        {"tool_choice": "auto"},
    ),
    (
        re.compile(r"\bresponse_format type .{0,20}is unavailable|\bunsupported json schema fields", re.IGNORECASE),
        {"response_format": "json_object"},
    ),
    (
        re.compile(
            r"\bjson mode cannot be combined with (?:tool|function)\b"
            r"|\btools\b.{0,3} is incompatible with .{0,3}response_format",
            re.IGNORECASE,
        ),
        {"schema_with_tools": False},
    ),
    (re.compile(r"\bthat support cache control\b", re.IGNORECASE), {"cache_control": False}),
    (re.compile(r"\bonly type=enabled is allowed", re.IGNORECASE), {"reasoning": "none"}),
    (
        re.compile(r"\balways engages in thinking and cannot be disabled|不支持关闭思考", re.IGNORECASE),
        {"reasoning": "effort", "efforts": ("low", "high", "max")},
    ),
    (re.compile(r"\breasoning is mandatory\b", re.IGNORECASE), {"reasons": True}),
    (re.compile(r"\binvalid reasoning effort\.?\Z", re.IGNORECASE), {"efforts": ()}),
    (re.compile(r"'content' field must be a string|received null\b.{0,40}\.content\b"), {"null_content": False}),
    (
        re.compile(
            r"content is empty|content 不能为空|missing `(?:messages|input)\.content|未正常接收到prompt参数", re.I
        ),
        {"empty_tool_result": "(no output)"},
    ),
)
"""What chat templates and servers say of a form in which they take no messages, tools or formats -> quirks."""
_UNREASONED = re.compile(
    r"reasoning_content\b.{0,60}(?:must be passed back|is missing)|missing\W{1,3}reasoning_content", re.IGNORECASE
)
_STREAMS_ALONE = re.compile(
    r"\bonly supports? stream|\bnon-streaming calls\b|\bmust have stream ?= ?true\b|\bwhen .?stream ?= ?false\b",
    re.IGNORECASE,
)
_NAMED_CHOICE = re.compile(r"tool_choice\b.{0,50}(?:'(?:object|specified)'|\bvalid string\b)")
"""A choice that names a tool is refused; one of any tool may be accepted."""


def affordable(body: bytes) -> int:
    """How many tokens an account can still pay for, by the body of a 402; 0: it tells none, or next to none."""
    found = _AFFORDS.search(read_refusal(body).text)
    most = int(found[1]) if found else 0
    return most if most >= _ENOUGH else 0


def form_lessons(body: bytes, quirks: ChatQuirks) -> Mapping[str, object]:
    """Quirks that mend the form of which the body of an error complains; none where it complains of no form.

    Several at once: a template says the first thing that it does not like, and a request is sent but a few times.
    """
    complaint = read_complaint(body)
    if (unread := unread_content(complaint, images=quirks.images, patterns=quirks.patterns)) is not None:
        return {unread: False}
    for pattern, lessons in _FORMS:
        if pattern.search(complaint.words):
            return {field: value for field, value in lessons.items() if getattr(quirks, field) != value}
    return {}


def is_about_reasoning(body: bytes, quirks: ChatQuirks) -> bool:
    """Whether an upstream refused the opaque reasoning of earlier answers that it was given back."""
    text = read_complaint(body).text
    return _SEALED.search(text) is not None and not _misses_signatures(text, quirks)


def _misses_signatures(text: str, quirks: ChatQuirks) -> bool:
    """Whether Gemini wants a signature on calls that were sent without one."""
    return quirks.call_signatures == "none" and _UNSIGNED.search(text) is not None


def lesson(body: bytes, quirks: ChatQuirks, sent_effort: str | None) -> tuple[str, object] | None:
    """(quirk field, value) that mends what the body of a 400 or 422 complains of, or None.

    `sent_effort` is the `reasoning_effort` of the refused request.
    """
    complaint = read_complaint(body)
    if (found := _length_lesson(complaint, quirks)) is not None:
        return found
    if not quirks.stream_always and _STREAMS_ALONE.search(complaint.words):
        return "stream_always", True
    if quirks.tool_choice == "named" and _NAMED_CHOICE.search(complaint.text):
        return "tool_choice", "required"
    if _misses_signatures(complaint.text, quirks):
        return "call_signatures", "reasoning_details" if quirks.reasoning_details else "extra_content"
    if quirks.reasoning_history != "reasoning_content" and _UNREASONED.search(complaint.words):
        return "reasoning_history", "reasoning_content"
    if not complaint.refuses or _OF_OTHERS.search(complaint.words):
        return None
    if (found := _special_lesson(complaint, quirks, sent_effort)) is not None:
        return found
    return refused_field(complaint.names, _SWITCHES, quirks)


def _special_lesson(complaint: Complaint, quirks: ChatQuirks, sent_effort: str | None) -> tuple[str, object] | None:
    if not _LENGTH_FIELDS.isdisjoint(complaint.names):
        other = "max_completion_tokens" if quirks.max_tokens_field == "max_tokens" else "max_tokens"
        return ("max_tokens_field", other) if quirks.max_tokens_field in complaint.names else None
    if "reasoning_effort" in complaint.names or EFFORT_OF_XAI in complaint.names:
        return _effort_lesson(complaint, quirks, sent_effort)
    history = quirks.reasoning_history
    if history != "none" and history in complaint.names and _OF_MESSAGES.search(complaint.text):
        return "reasoning_history", "none"
    if re.search(r"\bdeveloper\b", complaint.text) and quirks.system_role == "developer":
        return "system_role", "system"
    return None


def _length_lesson(complaint: Complaint, quirks: ChatQuirks) -> tuple[str, object] | None:
    """Clients ask every model for as many tokens as Claude gives; what a server gives at most, it says.

    And for a single one, where they only want to know whether a model is there.
    """
    if _LENGTH_FIELDS.isdisjoint(complaint.names) and not any(said in complaint.words for said in _LENGTH_IN_WORDS):
        return None
    if complaint.least > max(1, quirks.min_output):
        return "min_output", complaint.least
    if not complaint.most:
        return None
    return ("max_output", complaint.most) if complaint.most != quirks.max_output else None


def _effort_lesson(complaint: Complaint, quirks: ChatQuirks, sent_effort: str | None) -> tuple[str, object]:
    if re.search(r"\btools\b", complaint.text) and not quirks.tools_need_no_reasoning:
        return "tools_need_no_reasoning", True
    # A level that is refused is left out; a nearer one takes its place, or none where it was the last.
    others = fewer_efforts(complaint, quirks.efforts, sent_effort)
    return ("efforts", others) if others else ("reasoning", "none")
