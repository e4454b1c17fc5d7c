"""Counts finished requests for Prometheus. What clients choose freely never becomes a label."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import get_args

from llm_to_anthropic import __version__
from llm_to_anthropic.errors import STATUS_TYPES, Refusal
from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.observers.board import Board
from llm_to_anthropic.observers.prometheus import (
    BOUNDS_MS,
    CACHE_CREATION,
    CACHE_READ,
    INPUT,
    KIND,
    KIND_NUMBERS,
    OF_PROVIDERS,
    OUTPUT,
    TTFT,
    exposition,
    samples,
)
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings

MAX_KINDS = 1024
"""Kinds of requests whose numbers are kept at hand; model names and paths come from clients, so they need a bound."""
OUTCOMES = frozenset((*STATUS_TYPES.values(), "api_error", "ok", "client_disconnected", "client_stalled"))
"""Upstreams may call their errors as they like: what is not here is `other`."""

_ENDPOINTS = {"/v1/messages": "messages", "/v1/messages/count_tokens": "count_tokens"}
_FAILURE = re.compile(r"([^/]*)/.*?: (\d)\d\d ", re.DOTALL)

Gauge = tuple[str, float, tuple[str, ...]]
"""The name of a metric, how much there is, and the values of its labels."""

_kind_of = attrgetter("client_model", "path", "provider", "protocol", "outcome", "status")


class Metrics:
    """An observer that remembers only numbers, in this process's slot of a board."""

    def __init__(self, settings: Settings, board: Board | None = None, process: int = 0) -> None:
        self._board = board or Board()
        self._slot = self._board.slot(process)
        self._numbers = self._slot.numbers
        self._settings = settings
        self._router: Router | None = None
        self._kinds: dict[tuple[str | int, ...], memoryview[float]] = {}
        """The numbers of each kind of request."""
        self._forget_providers()
        for reason in filter(None, get_args(Refusal)):
            # Told from the start: what appears with its first refusal has, to Prometheus, not risen.
            self._slot.place(("refusals_total", reason))
        self.measure([("build_info", 1, (__version__,))])

    def adopt(self, settings: Settings) -> None:
        """Names models as another configuration has them."""
        self._settings, self._router = settings, None
        self._kinds.clear()
        self._forget_providers()

    def record(self, exchange: Exchange) -> None:
        """Counts one request."""
        # Written out: a call of a function costs as much as what it would do.
        numbers = self._kinds.get(_kind_of(exchange)) or self._new_kind(exchange)
        duration_ms = exchange.duration_ms
        numbers[0] += duration_ms
        numbers[bisect_left(BOUNDS_MS, duration_ms)] += 1
        if exchange.stream and (ttft_ms := exchange.ttft_ms) is not None:
            numbers[TTFT] += ttft_ms
            numbers[TTFT + bisect_left(BOUNDS_MS, ttft_ms)] += 1
        if (usage := exchange.usage) is not None:
            numbers[INPUT] += usage.input_tokens
            numbers[OUTPUT] += usage.output_tokens
            if cached := usage.cache_read_input_tokens:
                numbers[CACHE_READ] += cached
            if cached := usage.cache_creation_input_tokens:
                numbers[CACHE_CREATION] += cached
        if exchange.fallback or exchange.failures or exchange.outcome != "ok":
            self._count_troubles(exchange)

    def measure(self, gauges: Iterable[Gauge]) -> None:
        """Says how much of what there is now."""
        for name, number, labels in gauges:
            self._numbers[self._slot.place((name, *labels))] = number

    def exposition(self) -> str:
        """The numbers of all processes, in Prometheus' text format."""
        return exposition(self._board.slots())

    def told(self) -> Mapping[str, Mapping[str, int]]:
        """Requests of this process by outcome, and its timeouts by phase."""
        told: dict[str, dict[str, int]] = {"outcomes": {}, "timeouts": {}}
        names = {"requests_total": "outcomes", "upstream_timeouts_total": "timeouts"}
        for name, labels, numbers in samples(self._slot):
            if name in names:
                counts = told[names[name]]
                counts[labels[-1]] = counts.get(labels[-1], 0) + int(numbers[0])
        return told

    def _count(self, name: str, *labels: str) -> None:
        self._numbers[self._slot.place((name, *labels))] += 1

    def _count_troubles(self, exchange: Exchange) -> None:
        if exchange.refusal:
            self._count("refusals_total", exchange.refusal)
        if exchange.timeout_phase:
            self._count("upstream_timeouts_total", exchange.provider, exchange.timeout_phase)
        if exchange.fallback:
            self._count("fallbacks_total", exchange.provider)
        for failure in exchange.failures:
            if (found := _FAILURE.match(failure)) is not None:
                self._count("failed_attempts_total", found[1], f"{found[2]}xx")

    def _new_kind(self, exchange: Exchange) -> memoryview[float]:
        if len(self._kinds) >= MAX_KINDS:
            self._kinds.clear()
        model, endpoint = self._model(exchange.client_model), _ENDPOINTS.get(exchange.path, "other")
        outcome = exchange.outcome if exchange.outcome in OUTCOMES else "other"
        status = f"{exchange.status // 100}xx"
        start = self._slot.place(
            (KIND, exchange.provider, model, exchange.protocol, endpoint, status, outcome), KIND_NUMBERS
        )
        numbers = self._kinds[_kind_of(exchange)] = self._numbers[start : start + KIND_NUMBERS]
        return numbers

    def _forget_providers(self) -> None:
        """Sets all that is told of providers to 0: nobody measures those that have left the configuration."""
        known = [key for key, _ in self._slot.read() if key[0] in OF_PROVIDERS]
        self.measure((name, 0, tuple(labels)) for name, *labels in known)

    def _model(self, name: str) -> str:
        if not name:
            return ""
        self._router = self._router or Router(self._settings)
        return self._router.label(name)
