"""Errors inside an answer of OpenAI Responses: which are failures, and which are refusals by the model's rules.

A refusal is an answer: clients show it, where they would try again after an error.
"""

from __future__ import annotations

from msgspec import Raw

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.translators.openai.errors import embedded_error, read_refusal
from llm_to_anthropic.translators.raw import given, raw_json
from llm_to_anthropic.translators.upstream_errors import ErrorContext, clean_text
from llm_to_anthropic.wire.anthropic import StopDetails

_CATEGORIES = {"invalid_prompt": None, "bio_policy": "bio", "misalignment_policy_violation": None}
"""Codes by which OpenAI refuses to answer -> Anthropic's category of the refusal."""


def policy_refusal(error: Raw, context: ErrorContext) -> StopDetails | None:
    """What a client is told where the error is a refusal to answer."""
    said = read_refusal(b'{"error":%b}' % bytes(error))
    if said.code not in _CATEGORIES:
        return None
    explanation = clean_text(said.text, context.target)
    return StopDetails(category=_CATEGORIES[said.code], explanation=explanation or None)


def answer_error(error: Raw, context: ErrorContext) -> UpstreamError:
    """The failure that an error object inside an answer means."""
    if not given(error):
        error = raw_json("the answer failed, and the upstream did not say why")
    return embedded_error(bytes(error), context)
