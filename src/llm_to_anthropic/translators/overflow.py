"""Context overflow in the words of many vendors -> the words on which Anthropic clients act.

Claude Code compacts the conversation on the first wording and lowers `max_tokens` on the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "too_many_prompt_tokens"})
_SAYS_SO = re.compile(
    r"maximum context length|exceeds? the (?:model's |available )?context|too many tokens|input token count"
    r"|context (?:window|length|size)|total length of all messages is too long|prompt (?:is )?too long",
    re.IGNORECASE,
)
_PROMPT_AND_ANSWER = (
    re.compile(
        r"(?P<prompt>\d{1,12}) (?:in the (?:messages|prompt)|of text input)"
        r".{0,80}?(?P<answer>\d{1,12}) in the (?:completion|output)"
    ),
    re.compile(r"too large: (?P<answer>\d{1,12}).{0,120}?request has (?P<prompt>\d{1,12}) input tokens"),
)
_PROMPT = re.compile(
    r"(?:resulted in|requested(?: about)?|request has|request \(|input token count (?:of |is |\()?) ?(\d{1,12})"
    r"|(\d{1,12}) tokens? >"
)
_LIMIT = re.compile(
    r"maximum context length(?: is| of)? (\d{1,12})|context (?:size|window|length)(?: is| of|:)? ?\(?(\d{1,12})"
    r"|allowed \((\d{1,12})\)|supports (?:only )?up to (\d{1,12})|> (\d{1,12})|limit (?:is|of) (\d{1,12})"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")


def overflow_message(
    text: str,
    codes: Iterable[str],
    numbers: Mapping[str, int],
    *,
    prompt_tokens: int,
    context_window: int | None,
) -> str | None:
    """Anthropic's sentence where an error means that the context overflows, else None.

    `numbers` are the error's own members; `prompt_tokens` (an estimate) and `context_window` stand in for
    numbers that it does not tell.
    """
    if _CODES.isdisjoint(codes) and not _SAYS_SO.search(text):
        return None
    text = _THOUSANDS.sub("", text)
    limit = numbers.get("n_ctx") or _number(_LIMIT, text) or context_window
    if limit and (both := _prompt_and_answer(text)) and both[0] < limit:
        return (
            f"input length and `max_tokens` exceed context limit: {both[0]} + {both[1]} > {limit}, "
            "decrease input length or `max_tokens` and try again"
        )
    prompt = numbers.get("n_prompt_tokens") or _number(_PROMPT, text) or prompt_tokens
    if limit is None:
        limit = prompt - 1
    return f"prompt is too long: {max(prompt, limit + 1)} tokens > {limit} maximum"


def _prompt_and_answer(text: str) -> tuple[int, int] | None:
    for pattern in _PROMPT_AND_ANSWER:
        if found := pattern.search(text):
            return int(found["prompt"]), int(found["answer"])
    return None


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return next((int(group) for group in found.groups() if group), None) if found else None
