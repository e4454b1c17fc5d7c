"""Streams that end otherwise than they should: clients that leave, upstreams that break, a server that stops."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from llm_to_anthropic.scripted import (
    Answer,
    Cut,
    Line,
    Pause,
    Request,
    Reset,
    Script,
    ScriptedUpstream,
    Stall,
    anthropic,
    never,
    openai_chat,
    openai_responses,
    stream,
)
from tests.e2e.raw import event_names, posted, request
from tests.running import running_proxy

CANCEL_WITHIN_S = 0.25
LINE = Line(text="one two three four five six seven eight")
MODELS = {
    "openai-chat": "openai/gpt-4.1",
    "openai-responses": "responses/gpt-5.6-sol",
    "anthropic": "anthropic/claude-sonnet-5-5",
}
EVENTS = {
    "openai-chat": openai_chat.chunks,
    "openai-responses": openai_responses.events,
    "anthropic": anthropic.events,
}
each_protocol = pytest.mark.parametrize("protocol", list(MODELS))


def events(protocol: str) -> list[bytes]:
    return EVENTS[protocol](LINE, "m")


async def gone(upstream_request: Request) -> None:
    async with asyncio.timeout(CANCEL_WITHIN_S):
        await upstream_request.closed.wait()


@each_protocol
@pytest.mark.parametrize("streaming", [True, False], ids=["stream", "whole"])
async def test_leaving_before_the_first_byte_cancels(
    base_url: str, upstream: ScriptedUpstream, script: Script, protocol: str, streaming: bool
) -> None:
    """A client that leaves while nothing has come yet cancels the upstream within 250 ms."""
    script.push(never())
    async with posted(base_url, request(stream=streaming, model=MODELS[protocol])):
        sent = await upstream.request(0)
    await gone(sent)


@each_protocol
async def test_leaving_midway_cancels(base_url: str, upstream: ScriptedUpstream, script: Script, protocol: str) -> None:
    """A client that leaves in the middle of a stream cancels the upstream within 250 ms."""
    script.push(stream(*events(protocol)[:5], Stall()))
    async with posted(base_url, request(stream=True, model=MODELS[protocol])) as (reader, _):
        await reader.readuntil(b"content_block_delta")
    await gone(upstream.requests[0])


@each_protocol
@pytest.mark.parametrize("step", [Cut(), Reset()], ids=["fin", "rst"])
@pytest.mark.parametrize("after", [5, 6, 7])
async def test_broken_stream_ends_in_an_error(
    base_url: str, script: Script, protocol: str, step: Cut | Reset, after: int
) -> None:
    """Wherever the upstream breaks off, the client's stream ends in one `error` event and no message_stop."""
    script.push(stream(*events(protocol)[:after], step))
    async with posted(base_url, request(stream=True, model=MODELS[protocol])) as (reader, _):
        names = event_names(await reader.read())
    assert names[-1] == "error"
    assert names.count("error") == 1
    assert "message_stop" not in names


@pytest.mark.parametrize("answer", [Answer(before_head=(Cut(),)), stream(Cut())], ids=["no-head", "no-event"])
async def test_upstream_that_breaks_at_once_keeps_its_status(base_url: str, script: Script, answer: Answer) -> None:
    """An upstream that breaks before anything meaningful is an HTTP error, not a stream."""
    script.push(*[answer] * 3)
    async with posted(base_url, request(stream=True)) as (reader, _):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 ")
    assert b'"type":"error"' in body


@each_protocol
async def test_events_flow_as_they_come(
    base_url: str, upstream: ScriptedUpstream, script: Script, protocol: str
) -> None:
    """The client sees a piece of text before the upstream has sent the next one."""
    go_on = asyncio.Event()
    pieces = events(protocol)
    script.push(stream(*pieces[:5], Pause(go_on), *pieces[5:]))
    async with posted(base_url, request(stream=True, model=MODELS[protocol])) as (reader, _):
        await asyncio.wait_for(reader.readuntil(b"text_delta"), 5)
        assert not upstream.requests[0].answered.is_set()
        go_on.set()
        assert event_names(await reader.read())[-1] == "message_stop"


async def test_upstream_is_not_read_faster_than_the_client_reads(
    base_url: str, upstream: ScriptedUpstream, script: Script
) -> None:
    """A client that stops reading stops the upstream: the proxy does not pile the stream up."""
    big = openai_chat.event({"choices": [{"index": 0, "delta": {"content": "x" * 65_536}, "finish_reason": None}]})
    script.push(stream(*[big] * 1000))
    async with posted(base_url, request(stream=True)) as (reader, _):
        sent = await upstream.request(0)
        await reader.readuntil(b"text_delta")
        before = -1
        while sent.bytes_sent != before:
            before = sent.bytes_sent
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sent.answered.wait(), 0.3)
    assert sent.bytes_sent < 32 * 1024 * 1024


async def test_running_stream_survives_sigterm(tmp_path: Path) -> None:
    """After SIGTERM a running stream goes on to its end, new requests are refused, and the exit code is 0."""
    go_on = asyncio.Event()
    pieces = openai_chat.chunks(LINE, "gpt-4.1")
    script = Script([stream(*pieces[:4], Pause(go_on), *pieces[4:])])
    async with ScriptedUpstream(script) as upstream:
        env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
        async with (
            running_proxy(cwd=tmp_path, env=env) as proxy,
            posted(proxy.url, request(stream=True)) as (reader, _),
        ):
            await asyncio.wait_for(reader.readuntil(b"text_delta"), 10)
            proxy.process.send_signal(signal.SIGTERM)
            await until_refused(proxy.url)
            go_on.set()
            assert event_names(await reader.read())[-1] == "message_stop"
            assert await asyncio.wait_for(proxy.process.wait(), 10) == 0


async def until_refused(url: str) -> None:
    """Asks until the server takes no more requests."""
    async with asyncio.timeout(10):
        while True:
            try:
                async with posted(url, {}, "/health/ready") as (reader, _):
                    if b" 503 " in await reader.readline():
                        return
            except OSError:
                return
