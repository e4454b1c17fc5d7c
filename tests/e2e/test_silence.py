"""An upstream that is silent for minutes, at a hundredth of the usual times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anthropic
import msgspec
import pytest

from llm_to_anthropic.http.server import running
from llm_to_anthropic.scripted import Line, Pause, Script, ScriptedUpstream, openai_chat, stream
from llm_to_anthropic.settings import Timeouts
from tests.e2e.conftest import settings_for
from tests.e2e.raw import event_names, posted, request

SCALE = 100
PING_S = Timeouts().ping_s / SCALE
SILENCE_S = 290 / SCALE
"""So long the upstream says nothing."""
SLACK_S = 0.05
"""What a busy machine adds to a gap."""
MODEL = "openai/gpt-4.1"


@pytest.fixture
async def base_url(upstream: ScriptedUpstream) -> AsyncIterator[str]:
    """A proxy whose times are a hundredth of the usual ones, up to the first event of a model that reasons."""
    usual = Timeouts()
    times = {
        name: getattr(usual, name) / SCALE
        for name in ("commit_after_s", "ping_s", "first_event_s", "reasoning_event_s", "idle_s")
    }
    times["first_event_s"] = times["reasoning_event_s"]
    settings = msgspec.structs.replace(settings_for(upstream), timeouts=msgspec.structs.replace(usual, **times))
    async with running(settings) as url:
        yield url


async def test_a_long_silence_loses_no_client(base_url: str, script: Script) -> None:
    """While the upstream is silent for 290 s a ping comes at least every 11 s, and the SDK gets the message then."""
    go_on = asyncio.Event()
    script.push(*[stream(*openai_chat.chunks(Line(text="at last"), "m"), before_head=(Pause(go_on),))] * 2)
    sdk = anthropic.AsyncAnthropic(base_url=base_url, api_key="client-key", max_retries=0)
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    async with sdk, posted(base_url, request(stream=True, model=MODEL)) as (reader, _):
        asking = asyncio.create_task(streamed(sdk, messages))
        clock = asyncio.get_running_loop().time
        began = last = clock()
        gaps, answer = [], b""
        while clock() - began < SILENCE_S:
            answer += await asyncio.wait_for(reader.read(65536), 5)
            gaps.append(clock() - last)
            last = clock()
        go_on.set()
        answer += await asyncio.wait_for(reader.read(), 5)
        assert await asking == "at last"
    names = event_names(answer)
    assert max(gaps) <= PING_S * 1.1 + SLACK_S
    assert names.count("ping") >= SILENCE_S / (PING_S * 1.1 + SLACK_S)
    assert names[-1] == "message_stop"


async def streamed(sdk: anthropic.AsyncAnthropic, messages: list[anthropic.types.MessageParam]) -> str:
    async with sdk.messages.stream(model=MODEL, max_tokens=64, messages=messages) as events:
        return await events.get_final_text()
