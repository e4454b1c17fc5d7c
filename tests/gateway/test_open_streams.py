"""What an open stream holds on to."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterable

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.observers.transcript import Transcript
from llm_to_anthropic.scripted import Pause, Script, ScriptedUpstream, stream
from llm_to_anthropic.settings import Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.gateway.conftest import providers
from tests.gateway.memory_reply import MemoryReply, ask, call

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


class SentBodies(Transcript):
    """The bodies that went upstream."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def upstream_request(
        self, request_id: str, method: str, url: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> None:
        self.bodies.append(body)


async def test_stream_lets_go_of_what_was_sent_upstream(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts
) -> None:
    """An answer that runs for an hour does not keep a second copy of a long conversation in memory."""
    go_on = asyncio.Event()
    script.push(stream(TEXT, Pause(go_on), FINISH, DONE))
    sent, reply = SentBodies(), MemoryReply()
    settings = Settings(providers=providers(upstream.url), aliases={}, timeouts=timeouts)
    gateway = Gateway(settings, Upstream(timeouts, environ={}), [], sent)
    answering = asyncio.ensure_future(gateway.messages(call(ask(stream=True)), reply))
    await reply.until(b"hel")
    others = sys.getrefcount(sent.bodies[0]) - 2  # the list's, and that of the question itself
    go_on.set()
    await answering
    await gateway.close()
    assert others == 0


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_request_leaves_nothing_to_the_garbage_collector(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts, *, streamed: bool
) -> None:
    """What a request took is given back at its end, not when the garbage collector comes."""
    script.push(stream(TEXT, FINISH, DONE))
    settings = Settings(providers=providers(upstream.url), aliases={}, timeouts=timeouts)
    gateway, reply = Gateway(settings, Upstream(timeouts, environ={}), []), MemoryReply()
    kept = weakref.ref(reply)
    gc.disable()
    try:
        await gateway.messages(call(ask(stream=streamed)), reply)
        del reply
        assert kept() is None
    finally:
        gc.enable()
        await gateway.close()
