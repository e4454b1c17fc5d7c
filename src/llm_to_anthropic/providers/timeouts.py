"""How long one request to an upstream may take, phase by phase."""

from __future__ import annotations

from typing import Literal

import msgspec

Begins = Literal["event", "head", "whole"]
"""What an answer begins with: a stream's first event that says something, which its reader reports; the head;
or the head of an answer that the upstream writes to its end before it sends it."""


class CallTimeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. Each ends a request with an error that names it."""

    connect_s: float = 5.0
    """Name, address and the way through a proxy."""
    tls_s: float = 10.0
    write_s: float = 60.0
    """A peer, client or upstream, that takes nothing more of what is sent to it for so long is given up."""
    first_event_s: float = 120.0
    """From the request's last byte to the first event that says something: pings do not."""
    reasoning_event_s: float = 300.0
    """The same for models that reason, where it is longer."""
    whole_s: float = 600.0
    """From the request's last byte to the head of an answer that is no stream."""
    idle_s: float = 120.0
    """Between two reads of an answer; a ping is a sign of life."""
    total_s: float = 3600.0


def call_timeouts(base: CallTimeouts, overrides: tuple[tuple[str, object], ...], *, reasons: bool) -> CallTimeouts:
    """What holds for a model: `base`, the provider's own overrides, and more patience with one that reasons."""
    values = {name: getattr(base, name) for name in CallTimeouts.__struct_fields__} | dict(overrides)
    merged = msgspec.convert(values, CallTimeouts)
    if not reasons or merged.reasoning_event_s <= merged.first_event_s:
        return merged
    return msgspec.structs.replace(merged, first_event_s=merged.reasoning_event_s)
