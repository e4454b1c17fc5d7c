"""What is known so far of a running request; becomes its Exchange."""

from __future__ import annotations

import time
from collections.abc import Sequence

from llm_to_anthropic.errors import ApiError, UpstreamTimeout
from llm_to_anthropic.exchange import Exchange, Loss, Usage, milliseconds
from llm_to_anthropic.gateway.call import Call
from llm_to_anthropic.providers.provider import Provider, Target, same_target


class Progress:
    """Filled in on the request's way; `exchange()` freezes it."""

    __slots__ = (
        "answer_headers",
        "answering",
        "attempts",
        "call",
        "client_model",
        "error",
        "failures",
        "fallback",
        "first_write",
        "losses",
        "outcome",
        "phase",
        "provider",
        "refusal",
        "status",
        "stop_reason",
        "stream",
        "target",
        "upstream_request_id",
        "usage",
    )

    def __init__(self, call: Call) -> None:
        self.call = call
        self.client_model = ""
        self.stream = False
        self.target: Target | None = None
        self.provider: Provider | None = None
        """The provider that is asked where no model is named, and so no target."""
        self.attempts = 0
        self.answering = False
        """The upstream has begun a good answer."""
        self.fallback = False
        """Another target than the route's first was asked."""
        self.failures: tuple[str, ...] = ()
        """The attempts that were followed by another, and why."""
        self.status = 0
        self.outcome = "ok"
        self.error = self.phase = self.refusal = ""
        self.first_write: float | None = None
        self.usage: Usage | None = None
        self.stop_reason: str | None = None
        self.losses: Sequence[Loss] = ()
        self.upstream_request_id = b""
        self.answer_headers: Sequence[tuple[bytes, bytes]] = ()
        """The upstream's headers that the client is told, in Anthropic's names."""

    def wrote(self) -> None:
        """Notes the moment of the first meaningful byte to the client."""
        if self.first_write is None:
            self.first_write = time.monotonic()

    def start_over(self, target: Target, error: ApiError) -> None:
        """Another attempt follows; no trace of this one may get into its answer."""
        failed = self.target
        if failed is not None:
            self.failures += (f"{failed.provider.name}/{failed.model}: {error.status} {error.type}",)
            self.fallback = self.fallback or not same_target(failed, target)
        self.target = target
        self.answering = False
        self.losses = ()
        self.upstream_request_id = b""
        self.answer_headers = ()
        self.usage = self.stop_reason = None

    def failed(self, outcome: str, error: str = "") -> None:
        self.outcome = outcome
        self.error = error

    def failed_by(self, error: ApiError) -> None:
        """Notes what the client is told."""
        self.failed(error.type, error.message)
        self.refusal = error.refusal
        if isinstance(error, UpstreamTimeout):
            self.phase = error.phase

    def exchange(self) -> Exchange:
        call, target, first_write = self.call, self.target, self.first_write
        provider = target.provider if target else self.provider
        # By position: Python passes more than fifteen names several times more slowly.
        return Exchange(
            call.request_id,
            call.method,
            call.path,
            self.status,
            self.outcome,
            milliseconds(time.monotonic() - call.started),
            self.client_model,
            provider.name if provider else "",
            target.model if target else "",
            self.upstream_request_id.decode("latin-1"),
            self.attempts,
            self.fallback,
            self.failures,
            self.stream,
            None if first_write is None else milliseconds(first_write - call.started),
            self.usage,
            self.stop_reason,
            tuple(self.losses),
            call.header(b"x-claude-code-session-id"),
            call.client_key,
            self.error,
            self.phase,
            target.protocol if target else provider.protocol if provider else "",
            self.refusal,
        )
