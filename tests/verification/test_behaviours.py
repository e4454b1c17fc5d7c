"""The scripted upstream behaves as the model's name says, in every protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from llm_to_anthropic.scripted import ScriptedUpstream
from verification.behaviours import LINE, PROTOCOLS, Behaviours

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{model}:{verb}",
}
each_protocol = pytest.mark.parametrize("protocol", list(PROTOCOLS))


@pytest.fixture
async def behaving() -> AsyncIterator[ScriptedUpstream]:
    """An upstream whose models misbehave by name."""
    async with ScriptedUpstream(Behaviours()) as running:
        yield running


async def ask(upstream: ScriptedUpstream, protocol: str, model: str, *, streamed: bool) -> bytes:
    """Everything that comes until the upstream closes or breaks the connection."""
    verb = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    path = PATHS[protocol].format(model=model, verb=verb)
    body = json.dumps({"model": model, "stream": streamed}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(head + body)
    received = b""
    try:
        async with asyncio.timeout(5):
            while data := await reader.read(65_536):
                received += data
    except ConnectionResetError:
        received += b"(reset)"
    finally:
        writer.close()
    return received


@each_protocol
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("model", ["good", "by_close", "slow_ttft_1", "slow_chunk_1"])
async def test_good_answers_say_the_line(behaving: ScriptedUpstream, protocol: str, streamed: bool, model: str) -> None:
    """Behaviours that cost time alone say the whole line."""
    answer = await ask(behaving, protocol, model, streamed=streamed)
    assert answer.startswith(b"HTTP/1.1 200 ")
    last_word = LINE.text.rpartition(" ")[2].encode()
    assert last_word in answer
    assert b"get_weather" in answer


@each_protocol
async def test_flaky_recovers(behaving: ScriptedUpstream, protocol: str) -> None:
    """flaky_2 fails twice and answers then."""
    answers = [await ask(behaving, protocol, "flaky_2", streamed=True) for _ in range(3)]
    assert [answer.split()[1] for answer in answers] == [b"503", b"503", b"200"]


@each_protocol
@pytest.mark.parametrize(
    ("model", "end"),
    [("cut_after_3", b""), ("rst_after_3", b"(reset)"), ("err_after_3", b"failed midway"), ("quota_in_200", b"quota")],
)
async def test_broken_streams_break_behind_their_event(
    behaving: ScriptedUpstream, protocol: str, model: str, end: bytes
) -> None:
    """So many events come, then what the name says."""
    answer = await ask(behaving, protocol, model, streamed=True)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert end in answer
    assert b"get_weather" not in answer


@each_protocol
@pytest.mark.parametrize("model", ["stall_after_3", "bad_chunk_after_3", "never"])
async def test_stalled_answers_stay_open(behaving: ScriptedUpstream, protocol: str, model: str) -> None:
    """What stalls neither ends nor closes."""
    asking = asyncio.ensure_future(ask(behaving, protocol, model, streamed=True))
    await behaving.request(0)
    done, _ = await asyncio.wait({asking}, timeout=0.05)
    assert not done
    asking.cancel()
    await asyncio.wait({asking})


async def test_status_is_the_models_number(behaving: ScriptedUpstream) -> None:
    """status_429 answers 429."""
    assert (await ask(behaving, "openai_chat", "status_429", streamed=True)).startswith(b"HTTP/1.1 429 ")
