"""The frozen record of one finished request, handed to every observer."""

from __future__ import annotations

import msgspec

CLIENT_GONE = 499
"""The status of a request whose client left before an answer."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one message in Anthropic's arithmetic: `input_tokens` excludes both cache counts."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    thinking_tokens: int = 0
    service_tier: str = "standard"
    web_search_requests: int = 0
    web_fetch_requests: int = 0


class Loss(msgspec.Struct, frozen=True):
    """A part of the request that could not be carried over.

    `path` is a field path like `messages[0].content[2]`; `note` says what became of it.
    """

    path: str
    note: str


class Exchange(msgspec.Struct, frozen=True):
    """One finished request, whatever its end. Times are milliseconds."""

    request_id: str
    method: str
    path: str
    status: int
    """HTTP status that the client got, or CLIENT_GONE."""
    outcome: str
    """`ok`, or what ended it: an error type, `client_disconnected`, `client_stalled`."""
    duration_ms: float
    client_model: str = ""
    provider: str = ""
    upstream_model: str = ""
    upstream_request_id: str = ""
    attempts: int = 0
    fallback: bool = False
    """Another target than the route's first was asked."""
    failures: tuple[str, ...] = ()
    """The attempts that were followed by another: `provider/model: status type`."""
    stream: bool = False
    ttft_ms: float | None = None
    usage: Usage | None = None
    stop_reason: str | None = None
    losses: tuple[Loss, ...] = ()
    session_id: str = ""
    client_key: str = ""
    """The name of the client key that was presented; empty where it has none."""
    error: str = ""
    """The error's sentence, for the log."""
    timeout_phase: str = ""
    """Which time limit ended it: connect, tls, write, first_event, idle, total."""
    protocol: str = ""
    """What is spoken with the upstream."""
    refusal: str = ""
    """Why the proxy itself did not take it on, in a word; empty where it did."""


def milliseconds(seconds: float) -> float:
    """Seconds as an Exchange has them: to the hundredth, at a tenth of what `round` costs."""
    return int(seconds * 1e5 + 0.5) / 100
