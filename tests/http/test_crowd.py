"""Connections are limited, in all and by address, and slow ones do not hold up the others."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from llm_to_anthropic.http.crowd import TURNED_AWAY, Crowd
from llm_to_anthropic.settings import Limits, Timeouts
from tests.http.fake import Front, front

STRANGER = ("192.0.2.7", 50000)
SLOW = 500


async def test_connection_beyond_the_limit_hears_why() -> None:
    """One connection too many gets a 529 that is worth a retry, and the next fits once another has left."""
    async with front(limits=Limits(max_connections=2)) as server, server.connect(), server.connect() as second:
        assert (await server.post()).error == (529, "overloaded_error")
        second.writer.close()
        async with asyncio.timeout(5):
            while (await server.post()).status != 200:
                pass


def test_one_stranger_gets_a_share() -> None:
    """One address cannot take all connections; another still gets its own."""
    crowd = Crowd(Limits(max_connections_per_peer=2))
    assert [crowd.enter(STRANGER) is None for _ in range(3)] == [True, True, False]
    assert crowd.enter(("192.0.2.8", 50000)) is None
    crowd.leave(STRANGER, admitted=False)
    assert crowd.enter(STRANGER) is not None
    crowd.leave(STRANGER, admitted=True)
    assert crowd.enter(STRANGER) is None


@pytest.mark.parametrize(
    ("limits", "client"),
    [
        pytest.param(Limits(max_connections_per_peer=2), ("127.0.0.1", 1), id="this_machine"),
        pytest.param(Limits(max_connections_per_peer=0), STRANGER, id="switched_off"),
    ],
)
def test_reverse_proxy_is_not_taken_for_one_client(limits: Limits, client: tuple[str, int]) -> None:
    """Where all come from one address, that address is not limited."""
    crowd = Crowd(limits)
    assert [crowd.enter(client) for _ in range(100)] == [None] * 100


def test_flood_is_cut_without_a_word() -> None:
    """Refusals cost connections too: beyond some there are none."""
    crowd = Crowd(Limits(max_connections=1))
    crowd.enter(STRANGER)
    for _ in range(TURNED_AWAY):
        crowd.enter(STRANGER)
    assert not crowd.overrun
    crowd.enter(STRANGER)
    assert crowd.overrun


async def _slowest_of(server: Front, count: int) -> float:
    """The 99th percentile of the times of `count` requests, in seconds."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        assert (await server.post()).status == 200
        took.append(time.perf_counter() - began)
    return sorted(took)[count * 99 // 100]


async def test_slow_heads_hold_nobody_up_and_do_not_last() -> None:
    """With 500 half-sent heads others are served as quickly as without, and all 500 are gone after the deadline."""
    async with front(timeouts=Timeouts(header_s=2.0)) as server, AsyncExitStack() as stack:
        alone = await _slowest_of(server, 100)
        began = time.perf_counter()
        slow = [await stack.enter_async_context(server.connect()) for _ in range(SLOW)]
        for client in slow:
            await client.send(b"POST /v1/messages HTTP/1.1\r\nHost: lo")
        beside = await _slowest_of(server, 100)
        answers = await asyncio.gather(*(client.response() for client in slow))
        took = time.perf_counter() - began
    assert {answer.status for answer in answers} == {408}
    assert took < 2.0 * 1.2 + 1.0
    assert beside < 2 * alone + 0.02
