"""Token counts of Gemini -> Anthropic's arithmetic: cached tokens are no input tokens, thoughts are output."""

from __future__ import annotations

import msgspec

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.translators.estimate import estimate_tokens
from llm_to_anthropic.wire.gemini import UsageMetadata


class TokenCounts:
    """The counts of one message, which may take several rounds."""

    def __init__(self) -> None:
        self._first: UsageMetadata | None = None
        """The counts of the first round: the prompt of later ones holds what was written since."""
        self._last: UsageMetadata | None = None
        self._output = 0
        self._thinking = 0

    def see(self, usage: UsageMetadata) -> None:
        """A snapshot: each replaces the one before, whose count of the prompt stands where this one has none."""
        if usage.prompt_token_count:
            self._last = usage
        elif usage.candidates_token_count or usage.thoughts_token_count:
            self._last = usage if self._last is None else _renewed(self._last, usage)

    def next_round(self) -> None:
        """Another request follows, whose answer goes on with this one."""
        self._output, self._thinking = self.output, self._thoughts()
        self._first, self._last = self._first or self._last, None

    @property
    def output(self) -> int:
        """Output tokens so far, of all rounds."""
        return self._output + (_output(self._last) if self._last else 0)

    def message_usage(self, *, input_size: int, output_size: int, searches: int, fetches: int) -> Usage:
        """The usage of the message; what was not reported is estimated from the sizes, in bytes."""
        reported = self._first or self._last
        # Google counts an answer a few chunks into it: one that ends before that has the prompt's count alone.
        output = self.output or (estimate_tokens(output_size) if output_size else 0)
        if reported is None:
            return Usage(
                input_tokens=estimate_tokens(input_size),
                output_tokens=output,
                web_search_requests=searches,
                web_fetch_requests=fetches,
            )
        cached = max(0, reported.cached_content_token_count or 0)
        told = reported.prompt_token_count
        prompt = max(0, told - cached) if told else estimate_tokens(input_size)
        return Usage(
            input_tokens=prompt + max(0, reported.tool_use_prompt_token_count or 0),
            output_tokens=output,
            cache_read_input_tokens=cached,
            thinking_tokens=min(self._thoughts(), output),
            web_search_requests=searches,
            web_fetch_requests=fetches,
        )

    def _thoughts(self) -> int:
        return self._thinking + (max(0, self._last.thoughts_token_count or 0) if self._last else 0)


def _renewed(last: UsageMetadata, usage: UsageMetadata) -> UsageMetadata:
    """Counts of the answer alone, with the prompt's of before."""
    return msgspec.structs.replace(
        last,
        candidates_token_count=usage.candidates_token_count,
        thoughts_token_count=usage.thoughts_token_count,
        total_token_count=usage.total_token_count,
    )


def _output(usage: UsageMetadata) -> int:
    counted = max(0, usage.candidates_token_count or 0) + max(0, usage.thoughts_token_count or 0)
    if not usage.prompt_token_count:
        return counted
    # Some answers leave a part of the output out of both, yet count it in the total.
    prompt = usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0)
    return max(counted, (usage.total_token_count or 0) - prompt)
