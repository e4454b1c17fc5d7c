"""Whole Chat Completions answers, whose texts are decoded only where something has to be known of them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.translators.answering import TextAlone
from llm_to_anthropic.translators.openai_chat.usage import output_tokens, reported_usage, tells_input, told_usage
from llm_to_anthropic.translators.upstream_errors import is_error
from llm_to_anthropic.wire.openai_chat import Choice, Completion, Delta, WholeChoice, WholeCompletion, WholeMessage
from llm_to_anthropic.writer import block_text

_TEXT: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)

_PLAIN_ENDS: Mapping[str | None, str] = {"stop": "end_turn", "length": "max_tokens"}
"""Stop reasons of the finish reasons that most answers have; the others are looked at more closely."""


def text_alone(answer: WholeCompletion) -> TextAlone | None:
    """The text of an answer that is nothing else.

    None for all others, and where the usage would have to be estimated from the decoded text.
    """
    choice = answer.choices[0] if answer.choices and len(answer.choices) == 1 else None
    if choice is None or choice.index or (choice.error and is_error(choice.error)):
        return None
    message = choice.message
    if message is None or (answer.error and is_error(answer.error)):
        return None
    if (
        message.refusal
        or message.tool_calls
        or message.reasoning_content
        or message.reasoning
        or message.reasoning_text
        or message.reasoning_details
        or message.function_call
    ):
        return None
    stop_reason = _PLAIN_ENDS.get(choice.finish_reason)
    reported = reported_usage(answer)
    if stop_reason is None or reported is None or not tells_input(reported):
        return None
    if (output := output_tokens(reported)) is None:
        return None
    text = block_text(message.content)
    if not text:
        return None
    return text, stop_reason, told_usage(reported, output, answer.service_tier)


def as_completion(answer: WholeCompletion) -> Completion:
    """The same with its texts decoded. Raises msgspec.ValidationError where they are none."""
    choices = None if answer.choices is None else [_choice(choice) for choice in answer.choices]
    return Completion(**{**msgspec.structs.asdict(answer), "choices": choices})


def _choice(choice: WholeChoice) -> Choice:
    members = msgspec.structs.asdict(choice)
    return Choice(**{**members, "delta": _delta(choice.delta), "message": _delta(choice.message)})


def _delta(message: WholeMessage | None) -> Delta | None:
    if message is None:
        return None
    content = _TEXT.decode(message.content) if message.content else None
    return Delta(**{**msgspec.structs.asdict(message), "content": content})
