"""What the carriers of OpenAI Responses hold: reasoning items as the upstream made them, and what to say of messages.

An answer puts them into the signatures of its thinking blocks; they come back with the history of a later request.
Encrypted reasoning can only be read by the account that made it, so a carrier is bound to the provider and its address,
never to a key. Another model of the same account reads it as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.carrier import Carrier, decode_carrier
from llm_to_anthropic.translators.digest import digest
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.request import check_text
from llm_to_anthropic.wire import UNREADABLE

PHASES = frozenset({"commentary", "final_answer"})


class Replay(msgspec.Struct, frozen=True):
    """What one carrier brings back."""

    items: list[Raw]
    """Reasoning items, byte for byte."""
    phases: list[str]
    """The phases of the messages that followed, in their order; empty where one has none."""


class _ReasoningItem(msgspec.Struct, kw_only=True):
    """One that a server without a memory can read."""

    type: Literal["reasoning"]
    id: str
    summary: list[Raw]
    encrypted_content: str


class _PhasesItem(msgspec.Struct):
    ph: list[str | None]


def empty_carrier(target: Target) -> Carrier:
    """The carrier without items, for answers of this target."""
    name = target.provider.name
    return Carrier(vendor="o", provider=name, model=target.model, route=route_of(target))


def route_of(target: Target) -> str:
    """What a carrier is bound to."""
    return _route(target.provider.base_url, target.provider.name)


def phases_item(phases: Iterable[str | None]) -> Raw:
    """A carrier's item that tells the phases of the messages after its thinking block, in their order."""
    return raw_json({"ph": list(phases)})


def read_replay(signature: str | None, target: Target) -> Replay | None:
    """What a signature brings back for this target; None where it is another's, or broken.

    A carrier comes from the client: nothing of it is passed on that does not look like what an upstream makes.
    """
    own = own_items(signature, target)
    if own is None:
        return None
    phases: list[str] = []
    items: list[Raw] = []
    for raw in own:
        if _is_reasoning(raw):
            items.append(raw)
        else:
            phases += _phases(raw)
    return Replay(items, phases)


def own_items(signature: str | None, target: Target) -> list[Raw] | None:
    """The items of a carrier that this target made, not looked into; None where it is another's, or broken."""
    carrier = decode_carrier(signature) if signature else None
    if carrier is None or carrier.vendor != "o" or carrier.route != route_of(target):
        return None
    return carrier.items


@lru_cache(maxsize=256)
def _route(base_url: str, name: str) -> str:
    return digest(f"{base_url}{name}")[:8]


def _is_reasoning(raw: Raw) -> bool:
    try:
        item = msgspec.json.decode(raw, type=_ReasoningItem)
        check_text(bytes(raw))
    except (ClientError, *UNREADABLE):
        return False
    return bool(item.encrypted_content)


def _phases(raw: Raw) -> list[str]:
    try:
        told = msgspec.json.decode(raw, type=_PhasesItem).ph
    except UNREADABLE:
        return []
    return [phase if phase in PHASES else "" for phase in told]
