"""Token counts of Chat-compatible servers -> Anthropic's arithmetic, in which cached tokens are no input tokens."""

from __future__ import annotations

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.estimate import estimate_tokens
from llm_to_anthropic.wire.openai_chat import Completion, CompletionTokensDetails, PromptTokensDetails
from llm_to_anthropic.wire.openai_chat import Usage as ChatUsage

_NO_PROMPT_DETAILS = PromptTokensDetails()
_NO_COMPLETION_DETAILS = CompletionTokensDetails()


def reported_usage(completion: Completion) -> ChatUsage | None:
    """The usage of a chunk or answer, where it says anything: some servers send empty ones, or zeros."""
    extras = completion.x_groq
    for usage in (completion.usage, extras.usage if extras else None):
        if usage is not None and (usage.prompt_tokens or usage.input_tokens or usage.completion_tokens):
            return usage
    return None


def message_usage(usage: ChatUsage | None, *, input_size: int, output_size: int, service_tier: str | None) -> Usage:
    """The usage of a message; what the upstream does not report is estimated from the sizes, in bytes."""
    tier = "priority" if service_tier == "priority" else "standard"
    estimated = estimate_tokens(output_size) if output_size else 0
    if usage is None:
        return Usage(input_tokens=estimate_tokens(input_size), output_tokens=estimated, service_tier=tier)
    read, written = _cached(usage), _cache_written(usage)
    output = _output(usage)
    output = estimated if output is None else output
    details = usage.completion_tokens_details or usage.output_tokens_details or _NO_COMPLETION_DETAILS
    thinking = max(0, details.reasoning_tokens or usage.reasoning_tokens or 0)
    return Usage(
        input_tokens=_uncached(usage, read, written),
        output_tokens=output,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        thinking_tokens=min(thinking, output),
        service_tier=tier,
    )


def _output(usage: ChatUsage) -> int | None:
    output = usage.output_tokens if usage.completion_tokens is None else usage.completion_tokens
    if output is None:
        return None
    # xAI and gateways before Gemini leave the reasoning out of the completion, yet count it in the total.
    total = (usage.total_tokens or 0) - (usage.prompt_tokens or 0) if usage.prompt_tokens is not None else 0
    return max(0, output, total)


def _uncached(usage: ChatUsage, read: int, written: int) -> int:
    if usage.prompt_tokens is not None:
        return max(0, usage.prompt_tokens - read - written)
    if usage.input_tokens_details is not None:
        return max(0, (usage.input_tokens or 0) - read - written)  # the spelling of the Responses API
    return max(0, usage.input_tokens or 0)  # Anthropic's own spelling, and its arithmetic with it


def _cached(usage: ChatUsage) -> int:
    details = usage.prompt_tokens_details or usage.input_tokens_details or _NO_PROMPT_DETAILS
    found = (
        details.cached_tokens
        or usage.prompt_cache_hit_tokens
        or usage.cache_read_input_tokens
        or usage.cached_tokens
        or 0
    )
    return max(0, found)


def _cache_written(usage: ChatUsage) -> int:
    details = usage.prompt_tokens_details or usage.input_tokens_details or _NO_PROMPT_DETAILS
    found = details.cache_write_tokens or details.cache_creation_tokens or usage.cache_creation_input_tokens or 0
    return max(0, found)
