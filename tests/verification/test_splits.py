"""Recorded streams, cut everywhere: a sample of what `make splits` does."""

from __future__ import annotations

import random

import pytest

from verification.splits import Stream, framed_at_every_place, is_translated, streams, translated_in_pieces

STREAMS = streams()
BY_SIZE = sorted(STREAMS, key=lambda stream: len(stream.data))


def _sample(step: int) -> list[Stream]:
    """Streams of all sizes but the largest."""
    if not STREAMS:
        pytest.skip("no recordings are beside this checkout")
    return BY_SIZE[: len(BY_SIZE) * 9 // 10 : step]


def test_recorded_streams_are_framed_alike_at_every_split() -> None:
    """Cut in two at any byte, with any of the three line ends, recorded streams give the same events."""
    results = [framed_at_every_place(stream) for stream in _sample(16)]
    assert [wrong for _, different in results for wrong in different] == []
    assert sum(tried for tried, _ in results) > 100_000


def test_recorded_streams_are_translated_alike_in_any_pieces() -> None:
    """Cut at random places, with any of the three line ends, recorded streams become the same bytes."""
    chance = random.Random(1)  # noqa: S311  the same splits each time
    results = [translated_in_pieces(stream, chance) for stream in filter(is_translated, _sample(3))]
    assert [wrong for _, different in results for wrong in different] == []
    assert sum(tried for tried, _ in results) > 10_000
