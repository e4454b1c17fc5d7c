"""What a request that failed has left behind: nothing, at once, however large it was."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import Answer, Cut, Script, ScriptedUpstream, stream, whole
from llm_to_anthropic.settings import Retries, Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.gateway.answers import bad
from tests.gateway.conftest import providers
from tests.gateway.memory_reply import MemoryReply, ask, call
from tests.gateway.test_open_streams import BEGINNINGS
from tests.translators.chat_answers import DONE, data, delta, usage

NOWHERE = "http://127.0.0.1:1"
PROTOCOLS: dict[str, Protocol] = {
    "openai": "openai_chat",
    "responses": "openai_chat",
    "gemini": "gemini",
    "anthropic": "anthropic",
}
"""Provider -> the protocol in which its errors are told."""
FAILURES = ("not found", "overloaded", "no json", "cut early", "cut late", "bad request", "unreachable")


def failing(failure: str, provider: str) -> Answer:
    match failure:
        case "not found":
            return bad(PROTOCOLS[provider], 404)
        case "overloaded":
            return bad(PROTOCOLS[provider], 529)
        case "no json":
            return whole(b"<html>")
        case "cut early":
            return stream(b"data: {", Cut())
        case _:
            return stream(BEGINNINGS[provider][0], Cut())


@contextlib.asynccontextmanager
async def gateway_to(url: str, timeouts: Timeouts) -> AsyncIterator[Gateway]:
    """A gateway that does not ask again, while nobody looks for garbage."""
    settings = Settings(providers=providers(url), aliases={}, timeouts=timeouts, retries=Retries(max_retries=0))
    gateway = Gateway(settings, Upstream(timeouts, environ={}), [])
    gc.disable()
    try:
        yield gateway
    finally:
        gc.enable()
        await gateway.close()


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("provider", PROTOCOLS)
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_leaves_nothing_to_the_garbage_collector(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts, failure: str, provider: str, *, streamed: bool
) -> None:
    """An error and the way that it came would hold each other, and the request with them: hundreds of large ones."""
    script.push(failing(failure, provider))
    url = NOWHERE if failure == "unreachable" else upstream.url
    asked = ask(f"{provider}/m", stream=streamed)
    if failure == "bad request":
        asked["messages"] = [{"role": "nobody", "content": 5}]
    async with gateway_to(url, timeouts) as gateway:
        reply = MemoryReply()
        kept = weakref.ref(reply)
        await gateway.messages(call(asked), reply)
        del reply
        await asyncio.sleep(0)  # the loop itself lets go of a failed connection in its next turn
        assert kept() is None


@pytest.mark.parametrize("failure", ["not found", "cut early", "unreachable"])
@pytest.mark.parametrize("provider", PROTOCOLS)
async def test_a_count_that_failed_leaves_nothing_either(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts, failure: str, provider: str
) -> None:
    """Where tokens are estimated since nobody counts them, nothing stays of the vain attempt."""
    script.push(failing(failure, provider))
    url = NOWHERE if failure == "unreachable" else upstream.url
    async with gateway_to(url, timeouts) as gateway:
        reply = MemoryReply()
        kept = weakref.ref(reply)
        await gateway.count_tokens(call(ask(f"{provider}/m")), reply)
        del reply
        assert kept() is None


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
async def test_a_refusal_that_taught_leaves_nothing_either(
    script: Script, upstream: ScriptedUpstream, timeouts: Timeouts, *, streamed: bool
) -> None:
    """What a server refused inside of its answer is forgotten once the request was sent again and answered."""
    fault = {"error": {"message": "System message must be at the beginning."}}
    refused = stream(data(fault)) if streamed else whole(fault)
    script.push(refused, stream(delta("stop", content="Hi"), usage(), DONE))
    amid = [{"role": "user", "content": "hi"}, {"role": "system", "content": "agents"}]
    async with gateway_to(upstream.url, timeouts) as gateway:
        reply = MemoryReply()
        kept = weakref.ref(reply)
        await gateway.messages(call(ask("openai/m", messages=amid, stream=streamed)), reply)
        assert (reply.status, len(upstream.requests)) == (200, 2)
        del reply
        assert kept() is None
