"""Answers of upstreams that are larger, together, than the memory that the process may use."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from llm_to_anthropic.scripted import Answer, Script, ScriptedUpstream, anthropic, openai_chat, stream, whole
from llm_to_anthropic.scripted.line import Line
from tests.e2e.raw import posted, request
from tests.running import running_proxy

MiB = 1 << 20
LIMIT = 300 * MiB
"""What a process may use."""
SIZE = 30 * MiB
COUNT = 16
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
CALL = [{"index": 0, "id": "call_1", "type": "function"}]


def chat_text(size: int) -> Answer:
    message = {"role": "assistant", "content": "x" * size}
    return whole({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE})


def chat_call(size: int) -> Answer:
    function = {"name": "look", "arguments": msgspec.json.encode({"at": "x" * size}).decode()}
    message = {"role": "assistant", "content": None, "tool_calls": [CALL[0] | {"function": function}]}
    return whole({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": USAGE})


def chat_stream(size: int) -> Answer:
    """A stream, which many servers send whatever was asked for."""
    piece = openai_chat.event({"choices": [{"index": 0, "delta": {"content": "x" * 65_536}, "finish_reason": None}]})
    end = openai_chat.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE})
    return stream(*[piece] * (size // 65_536), end, b"data: [DONE]\n\n")


def claudes(size: int) -> Answer:
    return whole(anthropic.message(Line(text="x" * size), "claude-sonnet-4-5"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell the memory of a process")
@pytest.mark.parametrize(
    ("model", "answer", "streams"),
    [
        pytest.param("openai/gpt-4.1", chat_text, False, id="text"),
        pytest.param("openai/gpt-4.1", chat_text, True, id="whole, though a stream was asked for"),
        pytest.param("openai/gpt-4.1", chat_call, False, id="a call"),
        pytest.param("openai/gpt-4.1", chat_stream, False, id="a stream, told whole"),
        pytest.param("anthropic/claude-sonnet-4-5", claudes, False, id="passed through"),
        pytest.param("anthropic/claude-sonnet-4-5", claudes, True, id="passed through, though a stream was asked for"),
    ],
)
async def test_large_answers_are_refused_before_they_are_too_much(
    tmp_path: Path, model: str, answer: Callable[[int], Answer], streams: bool
) -> None:
    """16 answers of 30 MiB at once for a proxy with 300 MiB: some arrive, the others are refused, and it lives on."""
    (tmp_path / "llm-to-anthropic.toml").write_text(f"[limits]\nmax_memory_bytes = {LIMIT}\n")
    large = answer(SIZE)
    script = Script([large] * COUNT, otherwise=lambda _request: answer(10))
    async with ScriptedUpstream(script) as upstream:
        env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API": "chat"}
        env |= {"ANTHROPIC_API_KEY": "test-key", "ANTHROPIC_BASE_URL": upstream.url}
        async with running_proxy(cwd=tmp_path, env=env) as proxy:
            told = await asyncio.gather(*(answer_of(proxy.url, model, stream=streams) for _ in range(COUNT)))
            peak = peak_bytes(proxy.process.pid)
            began = time.perf_counter()
            while (await answer_of(proxy.url, model, stream=streams))[0] != 200:
                assert time.perf_counter() - began < 5
        assert len(upstream.requests) == COUNT + 1, "an answer that was refused here was asked for again"
    statuses = Counter(status for status, _ in told)
    assert statuses.keys() == {200, 529}
    assert all(b"overloaded_error" in body and b"limits.max_memory_bytes" in body for s, body in told if s == 529)
    assert peak < LIMIT


async def answer_of(url: str, model: str, *, stream: bool) -> tuple[int, bytes]:
    """Status and body of a whole answer."""
    async with posted(url, request(stream=stream, model=model)) as (reader, _):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        return int(head.split()[1]), await reader.read()


def peak_bytes(pid: int) -> int:
    """The most memory that a process has used."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
