"""What an open stream holds on to."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Iterable

import pytest

from llm_to_anthropic.gateway.call import Call
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.observers.transcript import Transcript
from llm_to_anthropic.scripted import Line, Pause, Script, ScriptedUpstream, anthropic, stream
from llm_to_anthropic.settings import Retries, Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.gateway.answers import bad
from tests.gateway.chat_events import DONE, FINISH, TEXT
from tests.gateway.conftest import providers
from tests.gateway.memory_reply import MemoryReply, ask, call

BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    "openai": (TEXT, FINISH + DONE),
    "responses": (
        b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m"}}\n\n'
        b'data: {"type":"response.output_text.delta","output_index":0,"item_id":"m","delta":"hel"}\n\n',
        b'data: {"type":"response.completed","response":{"status":"completed","output":[]}}\n\n',
    ),
    "gemini": (
        b'data: {"candidates":[{"content":{"parts":[{"text":"hel"}]}}]}\n\n',
        b'data: {"candidates":[{"finishReason":"STOP"}]}\n\n',
    ),
    "anthropic": tuple(anthropic.events(Line(text="hello"), "m")),
}
"""By provider: the first words of an answer, and its end."""


class SentBodies(Transcript):
    """The bodies that went upstream."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def upstream_request(
        self, request_id: str, method: str, url: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> None:
        self.bodies.append(body)


@pytest.mark.parametrize("model", ["openai/gpt-4o", "responses/gpt-5"])
async def test_stream_lets_go_of_what_was_sent_upstream(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts, model: str
) -> None:
    """An answer that runs for an hour does not keep a second copy of a long conversation in memory."""
    go_on = asyncio.Event()
    *words, last = BEGINNINGS[model.partition("/")[0]]
    script.push(stream(*words, Pause(go_on), last))
    sent, reply = SentBodies(), MemoryReply()
    settings = Settings(providers=providers(upstream.url), aliases={}, timeouts=timeouts)
    gateway = Gateway(settings, Upstream(timeouts, environ={}), [], sent)
    answering = asyncio.ensure_future(gateway.messages(call(ask(model, stream=True)), reply))
    await reply.until(b"hel")
    others = sys.getrefcount(sent.bodies[0]) - 2  # the list's, and that of the question itself
    go_on.set()
    await answering
    await gateway.close()
    assert others == 0


async def kept(gateway: Gateway, request: Call, go_on: asyncio.Event) -> int:
    """How many hold a request's body once its answer has begun, which `go_on` ends."""
    body, reply, ours = request.body, MemoryReply(), object()
    answering = asyncio.ensure_future(gateway.messages(request, reply))
    await reply.until(b"hel")
    others = sys.getrefcount(body) - sys.getrefcount(ours)
    go_on.set()
    await answering
    return others


LONG = {"messages": [{"role": "user", "content": "word " * 20_000}]}


@pytest.mark.parametrize("fields", [{}, LONG], ids=["short", "long"])
@pytest.mark.parametrize("model", ["openai/gpt-4o", "responses/gpt-5", "gemini/gemini-3-pro", "anthropic/claude-x"])
async def test_stream_that_has_begun_lets_go_of_its_request(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts, model: str, fields: dict[str, object]
) -> None:
    """An answer under way needs nothing of the conversation that it answers: a thousand agents' are not kept."""
    settings = Settings(providers=providers(upstream.url), aliases={}, timeouts=timeouts)
    gateway = Gateway(settings, Upstream(timeouts, environ={}), [])
    for _ in range(3):  # the first leaves things to remember
        go_on = asyncio.Event()
        *words, last = BEGINNINGS[model.partition("/")[0]]
        script.push(stream(*words, Pause(go_on), last))
        assert await kept(gateway, call(ask(model, stream=True, **fields)), go_on) == 0
    await gateway.close()


@pytest.mark.parametrize("second", BEGINNINGS)
@pytest.mark.parametrize("first", BEGINNINGS)
async def test_stream_of_a_second_target_lets_go_of_its_request(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts, first: str, second: str
) -> None:
    """Nor is the conversation kept where another target failed before: an outage is no time to run out of memory."""
    aliases = {"mine": (f"{first}/model-x", f"{second}/model-y")}
    once = Retries(max_retries=0)
    settings = Settings(providers=providers(upstream.url), aliases=aliases, timeouts=timeouts, retries=once)
    gateway = Gateway(settings, Upstream(timeouts, environ={}), [])
    go_on = asyncio.Event()
    *words, last = BEGINNINGS[second]
    script.push(bad("openai_chat", 503), stream(*words, Pause(go_on), last))
    request = call(ask("mine", stream=True, **LONG))
    assert await kept(gateway, request, go_on) == 0
    await gateway.close()


async def test_stream_of_a_request_that_was_read_anew_lets_go_of_it(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts
) -> None:
    """Nor where known surroundings turned out to hold more than messages."""
    settings = Settings(providers=providers(upstream.url), aliases={}, timeouts=timeouts)
    gateway = Gateway(settings, Upstream(timeouts, environ={}), [])
    known = b'{"model":"openai/gpt-4o","stream":true,"max_tokens":9,"system":"%b","messages":%b}'
    turns = b'[{"role":"user","content":"hi"}]'
    for _ in range(3):
        script.push(stream(TEXT, FINISH, DONE))
        await gateway.messages(call(known % (b"x" * 1000, turns)), MemoryReply())
    go_on = asyncio.Event()
    script.push(stream(TEXT, Pause(go_on), FINISH, DONE))
    request = call(known % (b"x" * 1000, turns + b',"model":"openai/gpt-5","x":[]'))
    assert await kept(gateway, request, go_on) == 0
    await gateway.close()


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
