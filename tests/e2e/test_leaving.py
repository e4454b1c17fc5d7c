"""A client that leaves, in every phase of a request: its upstream is let go at once, and the record says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.http.server import running
from llm_to_anthropic.scripted import Answer, Line, Request, Script, ScriptedUpstream, Stall, never, openai_chat, stream
from llm_to_anthropic.scripted import anthropic as anthropic_wire
from llm_to_anthropic.scripted import whole as whole_answer
from llm_to_anthropic.settings import Limits, Retries, Settings
from llm_to_anthropic.upstream import Upstream
from tests.e2e.conftest import settings_for
from tests.e2e.raw import posted, request
from tests.gateway.conftest import Records
from tests.upstream.raw_server import deaf_port

WITHIN_S = 0.25
LINE = Line(text="one two three four five six")
MODELS = {"openai": "openai/gpt-4.1", "anthropic": "anthropic/claude-sonnet-5-5"}

each_mode = pytest.mark.parametrize("streaming", [True, False], ids=["stream", "whole"])
each_protocol = pytest.mark.parametrize("protocol", list(MODELS))


class Watched:
    """A proxy, what it records, and how many requests it has."""

    def __init__(self, url: str, records: Records, gateway: Gateway) -> None:
        self.url = url
        self.records = records
        self.gateway = gateway

    async def load(self) -> dict[str, object]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        told: dict[str, object] = msgspec.json.decode(body)["load"]
        return told

    async def until(self, **wanted: int) -> None:
        """Asks until the load is as wanted."""
        async with asyncio.timeout(5):
            while not wanted.items() <= (await self.load()).items():
                pass

    async def left(self, upstream: Request | None = None) -> None:
        """Checks what has to be true soon after the only client has left."""
        began = time.perf_counter()
        if upstream is not None:
            await asyncio.wait_for(upstream.closed.wait(), WITHIN_S)
        await self.until(running=0, queued=0)
        assert time.perf_counter() - began < WITHIN_S
        [exchange] = self.records.exchanges
        assert exchange.outcome == "client_disconnected"


@asynccontextmanager
async def watched(settings: Settings) -> AsyncIterator[Watched]:
    records = Records()
    gateway = Gateway(settings, Upstream(settings.timeouts), [records])
    async with running(settings, gateway) as url:
        yield Watched(url, records, gateway)


@pytest.fixture
async def proxy(upstream: ScriptedUpstream) -> AsyncIterator[Watched]:
    async with watched(settings_for(upstream)) as running_proxy:
        yield running_proxy


@each_mode
async def test_in_the_line(upstream: ScriptedUpstream, script: Script, *, streaming: bool) -> None:
    """Whoever leaves while waiting for a place is not asked for any more, and nothing is sent upstream for him."""
    script.push(never())
    settings = msgspec.structs.replace(settings_for(upstream), limits=Limits(max_running=1))
    async with watched(settings) as proxy, posted(proxy.url, request(stream=True)):
        await upstream.request(0)
        async with posted(proxy.url, request(stream=streaming)):
            await proxy.until(queued=1)
        began = time.perf_counter()
        await proxy.until(running=1, queued=0)
        assert time.perf_counter() - began < WITHIN_S
        assert [each.outcome for each in proxy.records.exchanges] == ["client_disconnected"]
    assert len(upstream.requests) == 1


async def test_in_the_line_with_a_body_on_its_way(upstream: ScriptedUpstream, script: Script) -> None:
    """Whoever leaves while waiting for a place is noticed at once, however much of the request was still to come."""
    script.push(never())
    large = request(stream=True) | {"messages": [{"role": "user", "content": "x" * (2 << 20)}]}
    settings = msgspec.structs.replace(settings_for(upstream), limits=Limits(max_running=1))
    async with watched(settings) as proxy, posted(proxy.url, request(stream=True)):
        await upstream.request(0)
        async with posted(proxy.url, large):
            await proxy.until(queued=1)
        began = time.perf_counter()
        await proxy.until(running=1, queued=0)
        assert time.perf_counter() - began < WITHIN_S
        assert [each.outcome for each in proxy.records.exchanges] == ["client_disconnected"]


@each_mode
@each_protocol
async def test_while_connecting(upstream: ScriptedUpstream, protocol: str, *, streaming: bool) -> None:
    """Leaving before there is a connection ends the attempt to make one."""
    settings = settings_for(upstream)
    with deaf_port() as port:
        moved = {
            name: msgspec.structs.replace(provider, base_url=f"http://127.0.0.1:{port}")
            for name, provider in settings.providers.items()
        }
        async with watched(msgspec.structs.replace(settings, providers=moved)) as proxy:
            async with posted(proxy.url, request(stream=streaming, model=MODELS[protocol])):
                await proxy.until(running=1)
            await proxy.left()


@each_mode
@each_protocol
async def test_before_the_first_byte(
    proxy: Watched, upstream: ScriptedUpstream, script: Script, protocol: str, *, streaming: bool
) -> None:
    """Leaving while the upstream thinks closes its connection."""
    script.push(never())
    async with posted(proxy.url, request(stream=streaming, model=MODELS[protocol])):
        sent = await upstream.request(0)
    await proxy.left(sent)


@each_mode
@each_protocol
async def test_between_two_attempts(
    upstream: ScriptedUpstream, script: Script, protocol: str, *, streaming: bool
) -> None:
    """Leaving while the proxy waits to try again ends the wait, and there is no second attempt."""
    script.push(whole_answer({"error": {"message": "busy"}}, status=503, headers=(("retry-after", "5"),)))
    settings = msgspec.structs.replace(settings_for(upstream), retries=Retries(max_retries=2))
    async with watched(settings) as proxy:
        async with posted(proxy.url, request(stream=streaming, model=MODELS[protocol])):
            await (await upstream.request(0)).answered.wait()
            await proxy.until(running=1)
        await proxy.left()
    assert len(upstream.requests) == 1


def half_streamed(protocol: str) -> Answer:
    """An event stream that stops midway."""
    if protocol == "openai":
        return stream(*openai_chat.chunks(LINE, "m")[:5], Stall())
    return stream(*anthropic_wire.events(LINE, "m")[:5], Stall())


def half_whole(protocol: str) -> Answer:
    """A whole answer that stops midway."""
    del protocol
    return Answer(headers=(("content-type", "application/json"),), body=(b'{"id":"x","cho', Stall()), framing="chunked")


@each_mode
@each_protocol
@pytest.mark.parametrize("answer", [half_streamed, half_whole], ids=["body streamed", "body whole"])
async def test_amid_the_answer(
    proxy: Watched,
    upstream: ScriptedUpstream,
    script: Script,
    protocol: str,
    answer: Callable[[str], Answer],
    *,
    streaming: bool,
) -> None:
    """Leaving while the upstream's answer comes closes its connection, however it answers and was asked."""
    script.push(answer(protocol))
    async with posted(proxy.url, request(stream=streaming, model=MODELS[protocol])):
        sent = await upstream.request(0)
        async with asyncio.timeout(5):
            while not sent.bytes_sent:  # noqa: ASYNC110  the script tells nobody how far it is
                await asyncio.sleep(0.005)
    await proxy.left(sent)
