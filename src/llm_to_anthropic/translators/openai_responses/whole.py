"""Whole answers of OpenAI Responses that are nothing but one text, which is passed on without being decoded."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.answering import TextAlone
from llm_to_anthropic.translators.openai_chat.usage import message_usage, output_tokens
from llm_to_anthropic.translators.openai_responses.loose import decode_loosely
from llm_to_anthropic.translators.upstream_errors import is_error
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.openai_chat import Usage as ReportedUsage
from llm_to_anthropic.wire.openai_responses_answer import Response, TextItem
from llm_to_anthropic.writer import block_text

_ITEM = msgspec.json.Decoder(TextItem)


def text_alone(answer: Response) -> TextAlone | None:
    """The text of a complete answer that is nothing else.

    None for all others, and where the usage would have to be estimated from the decoded text.
    """
    output = answer.output
    if answer.status != "completed" or not output or len(output) != 1:
        return None
    if not answer.usage or (answer.error and is_error(answer.error)):
        return None
    text = _text(output[0])
    if text is None:
        return None
    reported = decode_loosely(answer.usage, ReportedUsage)
    if reported.input_tokens is None or output_tokens(reported) is None:
        return None
    return text, "end_turn", message_usage(reported, input_size=0, output_size=0, service_tier=answer.service_tier)


def _text(raw: Raw) -> bytes | None:
    """The text of a message that has one part, without refusal or citation."""
    try:
        item = _ITEM.decode(raw)
    except UNREADABLE:
        return None
    if item.type != "message" or item.role not in (None, "assistant") or not item.content or len(item.content) != 1:
        return None
    part = item.content[0]
    if part.type != "output_text" or part.refusal or part.annotations:
        return None
    return block_text(part.text) or None
