"""Token counts of Chat-compatible servers -> Anthropic's arithmetic, in which cached tokens are no input tokens."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.estimate import estimate_tokens
from llm_to_anthropic.wire.openai_chat import Completed, CompletionTokensDetails, PromptTokensDetails
from llm_to_anthropic.wire.openai_chat import Usage as ChatUsage

_TIERS: Mapping[str | None, str] = {"priority": "priority"}
"""Those that Anthropic knows of an answer; any other is `standard`."""
_NOTHING = ChatUsage()
_NO_PROMPT_DETAILS = PromptTokensDetails()
_NO_COMPLETION_DETAILS = CompletionTokensDetails()


def reported_usage(completion: Completed) -> ChatUsage | None:
    """The usage of a chunk or answer, where it says anything."""
    if completion.usage is not None and says_anything(completion.usage):
        return completion.usage
    usage = completion.x_groq.usage if completion.x_groq else None
    return usage if usage is not None and says_anything(usage) else None


def says_anything(usage: ChatUsage) -> bool:
    """Some servers send empty ones, or zeros."""
    return bool(usage.prompt_tokens or usage.input_tokens or usage.completion_tokens or usage.output_tokens)


def message_usage(usage: ChatUsage | None, *, input_size: int, output_size: int, service_tier: str | None) -> Usage:
    """The usage of a message; what the upstream does not report is estimated from the sizes, in bytes."""
    usage = usage or _NOTHING
    output = output_tokens(usage)
    if output is None:
        output = estimate_tokens(output_size) if output_size else 0
    told = told_usage(usage, output, service_tier)
    return told if tells_input(usage) else msgspec.structs.replace(told, input_tokens=estimate_tokens(input_size))


def tells_input(usage: ChatUsage) -> bool:
    """Whether it counts the prompt. Some say zero instead, as OpenAI's Responses API does of what it blocked."""
    return bool(usage.prompt_tokens) or usage.input_tokens is not None


def told_usage(usage: ChatUsage, output: int, service_tier: str | None) -> Usage:
    """The usage of a message as the upstream reports it; `output` are the tokens of the answer."""
    prompt = usage.prompt_tokens_details or usage.input_tokens_details or _NO_PROMPT_DETAILS
    read = prompt.cached_tokens or usage.prompt_cache_hit_tokens or usage.cache_read_input_tokens or usage.cached_tokens
    written = (
        prompt.cache_write_tokens
        or prompt.cache_creation_tokens
        or prompt.cache_creation_input_tokens
        or prompt.created_cache_tokens
        or usage.cache_creation_input_tokens
    )
    read = read if read and read > 0 else 0
    written = written if written and written > 0 else 0
    details = usage.completion_tokens_details or usage.output_tokens_details or _NO_COMPLETION_DETAILS
    thinking = details.reasoning_tokens or usage.reasoning_tokens
    prompted = usage.prompt_tokens
    uncached = _input_tokens(usage, read + written) if prompted is None else prompted - read - written
    return Usage(
        input_tokens=uncached if uncached > 0 else 0,
        output_tokens=output,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        thinking_tokens=min(max(0, thinking), output) if thinking else 0,
        service_tier=_TIERS.get(service_tier, "standard"),
    )


def output_tokens(usage: ChatUsage) -> int | None:
    """Those of the answer, its reasoning among them; None: the upstream does not say."""
    output = usage.output_tokens if usage.completion_tokens is None else usage.completion_tokens
    if output is None:
        return None
    # xAI and gateways before Gemini leave the reasoning out of the completion, yet count it in the total.
    if usage.prompt_tokens and (total := (usage.total_tokens or 0) - usage.prompt_tokens) > output:
        output = total
    return output if output > 0 else 0


def _input_tokens(usage: ChatUsage, cached: int) -> int:
    """Those that are not cached, where they are not spelled as Chat Completions does."""
    if usage.input_tokens_details is not None:
        return (usage.input_tokens or 0) - cached  # the spelling of the Responses API
    return usage.input_tokens or 0  # Anthropic's own spelling, and its arithmetic with it
