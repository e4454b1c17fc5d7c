"""A network that misbehaves costs a client time or an error in words, and never a silent end."""

from __future__ import annotations

from typing import get_args

from verification.chaos import Chaos, Way, cases, protocols
from verification.toxics import TOXICS


async def test_misbehaving_network_leaves_no_silent_end() -> None:
    """Through every toxic, in every protocol, over TLS, with a fallback: a message or an error, nothing left open."""
    chaos = Chaos(smoke=True)
    await chaos.run()
    assert chaos.problems == []


def test_every_toxic_is_tried() -> None:
    """Both the smoke and the whole run try all toxics, in plain text, over TLS and with a fallback."""
    for smoke in (True, False):
        tried = {(type(case.variant.toxic), case.way) for case in cases(smoke=smoke)}
        assert tried == {(toxic, way) for toxic in TOXICS for way in get_args(Way)}
    assert {(case.protocol, case.way) for case in cases(smoke=False)} == {
        (protocol, way) for protocol in protocols() for way in get_args(Way)
    }
