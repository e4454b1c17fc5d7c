"""What one server process has once, whatever configuration it serves by: ids, places, and how hard it is pressed."""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from llm_to_anthropic.gateway import memory_gauge
from llm_to_anthropic.gateway.admission import Admission
from llm_to_anthropic.gateway.pressure import REASONS, Load, Pressure
from llm_to_anthropic.http.crowd import Crowd
from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.http.request_ids import RequestIds
from llm_to_anthropic.observers.metrics import Gauge, Metrics
from llm_to_anthropic.outbox import Outbox
from llm_to_anthropic.settings import Settings

_log = structlog.get_logger()


class Standing:
    """Outlives every reload of the configuration."""

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        self.request_ids = RequestIds()
        self.admission = Admission(settings.limits, settings.timeouts.queue_s)
        self.pressure = Pressure(
            _memory_limit(settings),
            used_bytes=memory_gauge.used_bytes,
            give_back=memory_gauge.give_back,
            on_change=self._pressed,
        )
        self.crowd = Crowd(settings.limits)
        self.outbox = Outbox()
        self.metrics = metrics or Metrics(settings)
        """An observer of every gateway."""
        self.draining = False
        """Set once the server is asked to stop: it answers on, but is no longer ready."""
        self.may_stream = True
        """New streams are begun."""

    def adopt(self, settings: Settings) -> None:
        """Takes the limits of another configuration."""
        self.admission.adopt(settings.limits, settings.timeouts.queue_s)
        self.pressure.limit_bytes = _memory_limit(settings)
        self.crowd.adopt(settings.limits)
        self.metrics.adopt(settings)

    def told(self) -> dict[str, object]:
        """What the readiness answer tells of it."""
        load = {"state": self.pressure.load, "refused": self.admission.refused, **_places(self.admission)}
        return {"load": load, **self.metrics.told()}

    def measure(self, gateway: Gateway) -> None:
        """Has the metrics tell what there is now."""
        self.metrics.measure(self._gauges())
        self.metrics.measure(gateway.gauges())

    def _gauges(self) -> Iterator[Gauge]:
        yield "requests_in_flight", self.admission.running, ()
        yield "requests_waiting", self.admission.queued, ()
        yield "client_connections", self.crowd.admitted, ()
        yield "event_loop_lag_seconds", self.pressure.late_s, ()
        yield "resident_memory_bytes", memory_gauge.used_bytes(), ()

    def _pressed(self, load: Load) -> None:
        self.may_stream = load == "ok"
        reason = REASONS.get(load)
        if reason is None:
            self.admission.open()
        else:
            self.admission.close(reason, "late" if load == "late" else "memory")
        used, limit = self.pressure.used_bytes >> 20, self.pressure.limit_bytes >> 20
        tell = _log.info if load == "ok" else _log.warning
        tell("the load has changed", load=load, memory_mib=used, memory_limit_mib=limit, **_places(self.admission))


def _places(admission: Admission) -> dict[str, int]:
    return {"running": admission.running, "queued": admission.queued}


def _memory_limit(settings: Settings) -> int:
    # Of what the container has each of its processes gets an equal part; its address space is its own.
    asked = settings.limits.max_memory_bytes or memory_gauge.limit_bytes() // settings.workers
    return min(filter(None, (asked, memory_gauge.address_space_bytes())), default=0)
