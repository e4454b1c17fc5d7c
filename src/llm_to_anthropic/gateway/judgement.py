"""What an upstream's error means for the next attempt, and for whoever comes after. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from llm_to_anthropic.errors import (
    ApiError,
    Phase,
    UpstreamError,
    UpstreamFull,
    UpstreamProtocolError,
    UpstreamSpoiled,
    UpstreamTimeout,
)
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.translators.upstream_errors import own_words

Scope = Literal["lane", "lane for long", "key", "key for good", "model"]
"""What an error says to leave alone: a model by a key (the lane), all of a key, or the model by every key."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about an error before anything was sent to the client."""

    again: bool = False
    """The same request may well succeed at the same place."""
    elsewhere: bool = False
    """Another key or target may answer it."""
    breaks: bool = False
    """It counts against the circuit."""
    scope: Scope | None = None

    @property
    def of_key(self) -> bool:
        """It is the key that is at fault."""
        return self.scope in ("key", "key for good", "lane for long")


_UNCOUNTED = frozenset({405, 429})
"""The server has no such endpoint, or no time."""
_REFUSED_KEY = frozenset({401, 402, 403})
REQUESTS_FAULT = Judgement()
_FAILING = Judgement(again=True, elsewhere=True, breaks=True)
_FAILED = Judgement(elsewhere=True, breaks=True)
_FULL = Judgement(elsewhere=True)
_SPOILED = Judgement(again=True, elsewhere=True)
_NOT_HERE = Judgement(elsewhere=True)
_NO_CREDIT = Judgement(elsewhere=True, scope="key")
_NO_ACCESS = Judgement(elsewhere=True, scope="lane for long")
_BY_STATUS: Mapping[int, Judgement] = {
    401: Judgement(elsewhere=True, scope="key for good"),
    402: _NO_CREDIT,
    403: Judgement(elsewhere=True, scope="key for good"),
    404: Judgement(elsewhere=True, scope="model"),
    408: _FAILING,
    # A Messages request changes nothing: what it conflicts with is another one under way.
    409: Judgement(again=True, elsewhere=True),
    429: Judgement(again=True, elsewhere=True, scope="lane"),
}
_BY_PHASE: Mapping[Phase, Judgement] = {
    "connect": _FAILING,
    "tls": _FAILING,
    # Whoever has waited for minutes does not want to wait for the same again.
    "write": _FAILED,
    "first_event": _FAILED,
    "idle": _FAILED,
    "total": Judgement(breaks=True),
}
_CREDIT_TEXT = re.compile(
    r"credit balance is too low|额度不足|\bquota is not enough\b|\bbalance is insufficient\b|\binsufficient balance\b",
    re.IGNORECASE,
)
_ACCESS_TEXT = re.compile(r"does not have access to (?:the )?model\b", re.IGNORECASE)
_CONTENT_TEXT = re.compile(r"usage (?:guidelines|polic)|moderation|\bflagged\b|provider returned error", re.IGNORECASE)
"""What was said is refused, not who asks: by a moderation, or by a provider behind OpenRouter."""
_ACCOUNT_TEXT = re.compile(
    r"\b(?:account|organi[sz]ation|access)\b.{0,30}\b(?:flagged|terminated|suspended|disabled|deactivated|banned)\b",
    re.IGNORECASE,
)
"""Who asks is refused, in words that content is refused with, too (OpenAI's `Your account was flagged ..`)."""
_PART_TEXT = re.compile(
    r"\b(?:file|container|skill)s?\b.{0,80}\b(?:not found|not exist|expired)|\bno such (?:file|container|skill)",
    re.IGNORECASE,
)
"""What the request names is missing, and not the model. Google says 403: `permission to access the File .. or it may
not exist`."""
_MODEL = re.compile(r"\bmodels?\b", re.IGNORECASE)
_TOO_LONG = re.compile(r"^(?:prompt is too long|input length and `max_tokens` exceed context limit)")
_LIMIT = re.compile(r"> (\d{1,12})")


def cannot_count(status: int, provider: Provider) -> bool:
    """Whether an upstream has no count of tokens to give, or not by the proxy's key, as a message would tell."""
    return status >= 500 or status in _UNCOUNTED or (status in _REFUSED_KEY and not provider.credential.client)


def judge(error: ApiError, *, answering: bool = False) -> Judgement:
    """`answering`: a whole answer had begun to arrive, so that the upstream has done the work, and counted it."""
    if not isinstance(error, UpstreamError):
        return REQUESTS_FAULT
    judgement = _by_kind(error)
    if judgement.again and (answering or error.headers.get("x-should-retry") == "false"):
        return msgspec.structs.replace(judgement, again=False)
    return judgement


def _by_kind(error: UpstreamError) -> Judgement:
    if isinstance(error, UpstreamTimeout):
        return _BY_PHASE[error.phase]
    if isinstance(error, UpstreamFull):
        return _FULL
    if isinstance(error, UpstreamSpoiled):
        return _SPOILED
    if isinstance(error, UpstreamProtocolError) or error.status >= 500:
        return _FAILING
    if error.status in (400, 403) and _CREDIT_TEXT.search(own_words(error.message)):
        return _NO_CREDIT  # Anthropic's status for it, and that of relays that speak its API (new-api)
    if error.status == 403 and _ACCESS_TEXT.search(error.message):
        return _NO_ACCESS  # OpenAI's, where a project may use other models
    if error.status in (403, 404) and _is_about_request(error):
        return _NOT_HERE
    return _BY_STATUS.get(error.status, REQUESTS_FAULT)


def _is_about_request(error: UpstreamError) -> bool:
    """Whether a 403 or 404 refuses what one request says or names, and neither key nor model."""
    told = error.message
    if error.status == 403 and _CONTENT_TEXT.search(told):
        return _ACCOUNT_TEXT.search(told) is None
    part = _PART_TEXT.search(told)
    # Only after our own beginning of a 404 (`model: .. - upstream (..)`): a model's name may contain such words.
    return part is not None and not _MODEL.search(told, max(told.find(" - upstream ("), 0), part.start())


def exceeded_window(error: ApiError) -> int | None:
    """The context window, in tokens, that a request is too long for; None for any other error."""
    if error.status != 400 or not _TOO_LONG.search(error.message):
        return None
    limit = _LIMIT.search(error.message)
    return int(limit[1]) if limit else 0
