"""Anthropic's streams in odd pieces: what waits for the rest of its event costs no more than its size."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from llm_to_anthropic.gateway.byte_relay import ByteRelay
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.providers.timeouts import CallTimeouts
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream import UpstreamCall
from tests.gateway.memory_reply import MemoryReply, call

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream"
START = b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x"}}\n\n'
TEXT = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"hello"}}\n\n'
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
PAGE = b"event: content_block_start\ndata: "
MIB = 1024 * 1024
WITHIN_S = 1.0
"""What grows with the square of its pieces takes ten times as long."""
TRIES = 10
"""Who else uses the machine only ever adds to a time."""


class Relayed:
    """A stream that passes through, without sockets: each slice is taken the moment it is given."""

    def __init__(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self.upstream = UpstreamCall("one", CallTimeouts(), loop, (None, ()))  # type: ignore[arg-type]
        self.upstream.receive_head(200, HEAD, HEAD.lower())
        self.reply = MemoryReply()
        self._relay = ByteRelay(Work(call({}), self.reply, task), self.upstream, Timeouts(), served_as=None)
        self._running = asyncio.ensure_future(self._relay.run())

    async def give(self, *slices: bytes) -> None:
        await asyncio.sleep(0)  # by then it waits for them
        assert self.upstream.taking is not None
        for data in slices:
            self.upstream.receive(data, len(data))

    async def end(self) -> bytes:
        self.upstream.finish()
        await self._running
        return self.reply.body


async def test_large_event_in_many_pieces_is_read_once() -> None:
    """A web page or a file comes as one event, in as many reads as its way takes: each costs its own size alone."""
    relayed = Relayed()
    event = PAGE + b"x" * (4 * MIB) + b"\n\n"
    began = time.process_time()
    await relayed.give(START + TEXT, *(event[at : at + 1024] for at in range(0, len(event), 1024)), STOP)
    took_s = time.process_time() - began
    assert await relayed.end() == START + TEXT + event + STOP
    assert took_s < WITHIN_S


async def test_burst_at_the_beginning_costs_what_one_amid_the_stream_costs() -> None:
    """Only the first events are looked into for what they say: all that came with them passes by as what follows."""
    burst = TEXT * (MIB // 4 // len(TEXT))
    first_s: list[float] = []
    next_s: list[float] = []
    for _ in range(TRIES):
        relayed = Relayed()
        for spent_s, data in ((first_s, START + burst), (next_s, burst)):
            began = time.thread_time()
            await relayed.give(data)
            spent_s.append(time.thread_time() - began)
        await relayed.give(STOP)
        assert await relayed.end() == START + burst + burst + STOP
    assert min(first_s) < 4 * min(next_s)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
async def test_event_is_passed_on_whole_wherever_it_is_cut(line_end: bytes) -> None:
    """No piece of an event leaves before its end, though that comes in pieces itself."""
    told = [part.replace(b"\n", line_end) for part in (START + TEXT, TEXT, STOP)]
    beginning, event, stop = told
    for first in range(len(event)):
        for second in range(first, len(event), 7):
            relayed = Relayed()
            cuts = [0, first, second, len(event)]
            pieces = [event[one:other] for one, other in pairwise(cuts) if one < other]
            await relayed.give(beginning, *pieces[:-1])
            assert relayed.reply.body == beginning
            await relayed.give(pieces[-1] + stop)
            assert await relayed.end() == beginning + event + stop


@pytest.mark.parametrize("nothing", [PING, b": still thinking\n\n"], ids=["pings", "comments"])
async def test_what_is_held_back_stays_small(nothing: bytes) -> None:
    """A stream that goes on without saying anything is not collected: beyond 256 KiB its client may as well have it."""
    relayed = Relayed()
    beginning = START + nothing * (MIB // len(nothing) // 16)
    await relayed.give(beginning)
    assert relayed.reply.status == 0
    more = nothing * (MIB // len(nothing) // 4)
    await relayed.give(more)
    assert relayed.reply.body == beginning + more
    await relayed.give(TEXT, STOP)
    assert await relayed.end() == beginning + more + TEXT + STOP
