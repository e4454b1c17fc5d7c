"""Whole Gemini answers that are nothing but one text, which is passed on without being decoded."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.translators.answering import TextAlone
from llm_to_anthropic.translators.gemini.usage import TokenCounts
from llm_to_anthropic.translators.upstream_errors import is_error
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.gemini import TextAnswer
from llm_to_anthropic.writer import block_text

_ANSWER = msgspec.json.Decoder(TextAnswer)

_PLAIN_ENDS: Mapping[str | None, str] = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens"}
"""Stop reasons of the finish reasons that most answers have; the others are looked at more closely."""


def text_alone(body: bytes, *, signed: bool) -> TextAlone | None:
    """The text of an answer that is nothing else.

    None for all others, and where the usage would have to be estimated from the decoded text. `signed`: the text may
    have a signature, which is of no use.
    """
    try:
        answer = _ANSWER.decode(body)
    except UNREADABLE:
        return None
    if len(answer.candidates) != 1 or is_error(answer.error):
        return None
    if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
        return None
    candidate = answer.candidates[0]
    parts = candidate.content.parts
    stop_reason = _PLAIN_ENDS.get(candidate.finish_reason)
    if stop_reason is None or candidate.index or len(parts) != 1 or (parts[0].thought_signature and not signed):
        return None
    text = block_text(parts[0].text)
    if not text:
        return None
    reported = answer.usage_metadata
    if not reported.prompt_token_count:
        return None
    counts = TokenCounts()
    counts.see(reported)
    if not counts.output:
        return None
    return text, stop_reason, counts.message_usage(input_size=0, output_size=0, searches=0, fetches=0)
