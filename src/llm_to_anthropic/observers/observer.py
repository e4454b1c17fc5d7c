"""The interface of every observer."""

from __future__ import annotations

from typing import Protocol

from llm_to_anthropic.exchange import Exchange


class Observer(Protocol):
    def record(self, exchange: Exchange) -> None:
        """Takes note of one finished request. Must not block and must not raise."""
        ...
