"""What the server in front asks of the gateway behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Protocol

from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.gateway.call import Call, Reply
from llm_to_anthropic.observers.metrics import Gauge
from llm_to_anthropic.routing import ModelEntry


class Gateway(Protocol):
    """Answers calls; its own errors too. Whatever it raises nevertheless becomes a 500."""

    def messages(self, call: Call, reply: Reply) -> Awaitable[None]: ...

    def count_tokens(self, call: Call, reply: Reply) -> Awaitable[None]: ...

    def forward(self, call: Call, reply: Reply) -> Awaitable[None]:
        """Every other path and method below /v1/."""
        ...

    def models(self) -> tuple[ModelEntry, ...]: ...

    def model(self, model_id: str) -> ModelEntry:
        """One model, listed or not. Raises ApiError for one that no request could name."""
        ...

    def ready(self) -> tuple[bool, dict[str, object]]:
        """Whether requests can be answered, and what the readiness answer tells."""
        ...

    def gauges(self) -> Iterable[Gauge]:
        """What there is now, for the metrics."""
        ...

    def record(self, exchange: Exchange) -> None:
        """Takes the record of a request that never came to the gateway."""
        ...

    async def close(self) -> None:
        """Ends open streams with an `error` event and lets go of the upstreams."""
        ...
