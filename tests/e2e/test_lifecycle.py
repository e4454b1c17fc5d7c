"""What becomes of requests when clients stall or leave, and when the server is short of memory or stops."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.http.server import running
from llm_to_anthropic.scripted import Script, ScriptedUpstream, openai_chat, stream
from llm_to_anthropic.settings import Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.e2e.conftest import settings_for
from tests.e2e.raw import request
from tests.gateway.conftest import Records

KiB = 1 << 10
MiB = 1 << 20
BIG_CHUNK = openai_chat.event({"choices": [{"index": 0, "delta": {"content": "x" * 64 * KiB}, "finish_reason": None}]})


@asynccontextmanager
async def recorded(settings: Settings) -> AsyncIterator[tuple[str, Records]]:
    """A proxy with these settings, and what it records."""
    records = Records()
    gateway = Gateway(settings, Upstream(settings.timeouts), [records])
    async with running(settings, gateway) as url:
        yield url, records


def encoded(body: dict[str, object]) -> bytes:
    data = msgspec.json.encode(body)
    head = f"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(data)}\r\n\r\n"
    return head.encode() + data


@pytest.mark.parametrize("model", ["openai/gpt-4.1", "anthropic/claude-sonnet-5-5"])
async def test_a_client_that_stops_reading_costs_the_upstream_nothing(
    upstream: ScriptedUpstream, script: Script, model: str
) -> None:
    """A client that takes nothing for write_s is cut off, its upstream with it, and the record says why."""
    event = b"event: content_block_delta\ndata: " + b"x" * 64 * KiB + b"\n\n"
    script.push(stream(*[BIG_CHUNK if model.startswith("openai") else event] * 1600))  # 100 MiB
    settings = msgspec.structs.replace(settings_for(upstream), timeouts=Timeouts(write_s=0.6))
    async with recorded(settings) as (url, records):
        with socket.socket() as sock:
            sock.setblocking(False)
            host, port = url.removeprefix("http://").split(":")
            await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
            sock.send(encoded(request(stream=True, model=model)))
            sent = await upstream.request(0)
            began = time.perf_counter()
            await asyncio.wait_for(sent.closed.wait(), 5)
            assert 0.6 <= time.perf_counter() - began < 0.6 + 1.0
            assert not sent.answered.is_set()
            assert sent.bytes_sent < 32 * MiB, "the upstream's writes were not held back"
    [exchange] = records.exchanges
    assert (exchange.outcome, exchange.status) == ("client_stalled", 200)
