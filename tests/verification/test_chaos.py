"""A network that misbehaves costs a client time or an error in words, and never a silent end."""

from __future__ import annotations

from verification.chaos import Chaos, variants
from verification.toxics import TOXICS


async def test_misbehaving_network_leaves_no_silent_end() -> None:
    """Through every toxic, in every protocol, streamed and whole: a message or an error, nothing left open."""
    chaos = Chaos(smoke=True)
    await chaos.run()
    assert chaos.problems == []


def test_every_toxic_is_tried() -> None:
    """Both the smoke and the whole run try all toxics."""
    for smoke in (True, False):
        assert {type(variant.toxic) for variant in variants(smoke=smoke)} == set(TOXICS)
