"""Context overflow in the words of many vendors -> the words on which Anthropic clients act.

Claude Code compacts the conversation on the first wording and lowers `max_tokens` on the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from llm_to_anthropic.translators.upstream_errors import ErrorContext, number_in

_NO_NUMBERS: Mapping[str, int] = {}
_CODES = frozenset(
    {
        "context_length_exceeded",
        "exceed_context_size_error",
        "model_max_prompt_tokens_exceeded",
        "too_many_prompt_tokens",
    }
)
_SAYS_SO = re.compile(
    r"maximum (?:context|prompt|model) length|exceeds? the (?:model's |available )?context|too many tokens"
    r"|input token count|input tokens exceed|exceeded model token limit|context (?:window|length|size|limit)"
    r"|total length of all messages is too long|(?:prompt|input) (?:is )?too long|prompt exceeds max length"
    r"|range of input length|input length \d+ exceeds|max_new_tokens.? must be <=|max size: \d+ tokens"
    r"|reduce the length of the (?:messages|prompt|input)|prompt token count of \d+ exceeds"
    r"|prompt_tokens \(\d+\) must be less than|`inputs` must have less than|cannot be greater than max_model_len"
    r"|n_keep\b.{1,16}>= ?n_ctx|max_tokens must be at least 1, got -|exceed max message tokens|prompt 超长"
    r"|message token length exceed"
    r"|max tokens of \d+ exceeded|tokens in request more than max tokens allowed",
    re.IGNORECASE,
)
_SAYS_NOTHING_ELSE = re.compile(
    r"(?:greater|longer|larger) than (?:the )?(?:model's )?context (?:window|length|size)|context the overflows"
    r"|exceed(?:s|ed)? (?:the |your |its )?(?:model's |available |maximum )*context (?:window|length|size)"
    r"|context (?:window|length|size) (?:has been |was |is )?exceeded|maximum context length is \d"
    r"|n_keep\b.{1,16}>= ?n_ctx",
    re.IGNORECASE,
)
"""Words that no other failure has, such as that of a model that does not get the memory for its context."""
_PROMPT_AND_ANSWER = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<prompt>\d{1,12}) (?:in the (?:messages|prompt)|of text input)"
        r".{0,80}?(?P<answer>\d{1,12}) in the (?:completion|output)",
        r"too large: (?P<answer>\d{1,12}).{0,120}?request has (?P<prompt>\d{1,12}) input tokens",
        r"requested (?P<answer>\d{1,12}) output tokens and your prompt contains (?P<least>at least )?"
        r"(?P<prompt>\d{1,12})",
        r"tokens=(?P<answer>\d{1,12}) ?cannot be greater than max_model_len",
        r"passed (?P<prompt>\d{1,12}) input tokens and requested (?P<answer>\d{1,12}) output tokens",
        r"(?P<prompt>\d{1,12}) tokens from the input messages and (?P<answer>\d{1,12}) tokens for the completion",
        r"given: (?P<prompt>\d{1,12}) `inputs` tokens and (?P<answer>\d{1,12})",
        r"context limit: (?P<prompt>\d{1,12}) \+ (?P<answer>\d{1,12})",
    )
)
_TOTAL = re.compile(r"requested (?:about |a total of )?(\d{1,12}) tokens", re.IGNORECASE)
_PROMPT = re.compile(
    r"(?:resulted in|passed|(?:request|prompt) has|contains(?: at least)?|requested(?: about| a total of)?:?|received"
    r"|(?:input|prompt) token count|total number of tokens|current length is|\(length|input length|too long:|exceeded:"
    r"|given:|request|input|prompt_tokens|output tokens|keep the first|n_keep:?)"
    r" ?(?:of |is |\()?(\d{1,12})(?!\d| output)|(\d{1,12}) tokens? >",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?:maximum (?:context|prompt|model) length|context (?:size|window|length)(?: limit)?|tokens allowed|supports)"
    r"(?: is| of| only| up to|:)*[ (]{1,2}(\d{1,12})"
    r"|(?:configured limit|token limit|maximum length|cannot exceed|must be <=|max size)(?: of|:)? (\d{1,12})"
    r"|\b(?:limit (?:is |of )|have less than |max_seq_len \(|max_total_tokens=|n_ctx(?:: | \()|max tokens of "
    r"|allowed input length of |model limit \()(\d{1,12})"
    r"|(\d{1,12}) maximum context length|should be \[\d{1,12}, ?(\d{1,12})\]|> (\d{1,12})",
    re.IGNORECASE,
)
_TOO_MANY = re.compile(r"must be at least 1, got -(\d{1,12})|exceeded max context length by (\d{1,12})", re.IGNORECASE)
"""Finds by how many tokens a prompt is too long: vLLM tells what is left for the answer, Ollama the excess itself."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")


def overflow_message(
    text: str,
    context: ErrorContext,
    codes: Iterable[str] = (),
    numbers: Mapping[str, int] = _NO_NUMBERS,
    *,
    refused: bool = True,
) -> str | None:
    """Anthropic's sentence where an error means that the context overflows, else None.

    `numbers` are the error's own members. Where it has none, what is known of the request stands in: an estimate of its
    tokens, and the model's window. `refused`: the status says that something is wrong with the request.
    """
    words = _SAYS_SO if refused else _SAYS_NOTHING_ELSE
    if _CODES.isdisjoint(codes) and not words.search(text):
        return None
    text = _THOUSANDS.sub("", text)
    limit = numbers.get("n_ctx") or number_in(_LIMIT, text) or context.target.limits.context_window
    if limit and (both := _prompt_and_answer(text, context.prompt_tokens)) and both[0] < limit:
        return (
            f"input length and `max_tokens` exceed context limit: {both[0]} + {both[1]} > {limit}, "
            "decrease input length or `max_tokens` and try again"
        )
    prompt = numbers.get("n_prompt_tokens") or number_in(_PROMPT, text) or context.prompt_tokens
    too_many = number_in(_TOO_MANY, text) or 1
    if limit is None:
        limit = max(1, prompt - too_many)
    return f"prompt is too long: {max(prompt, limit + too_many)} tokens > {limit} maximum"


def _prompt_and_answer(text: str, estimate: int) -> tuple[int, int] | None:
    """The tokens of the prompt and of the answer that was asked for; None: the text does not part them.

    vLLM counts a prompt until one token is too many, or not at all. A client that believed it would ask for a little
    less each time: the estimate stands where it is higher.
    """
    for pattern in _PROMPT_AND_ANSWER:
        if found := pattern.search(text):
            told = found.groupdict()
            prompt, answer = int(told.get("prompt") or estimate), int(found["answer"])
            if told.get("least"):
                prompt = max(prompt, estimate)
            # OpenRouter counts the tools apart from the text.
            total = number_in(_TOTAL, text)
            return max(prompt, total - answer), answer
    return None
