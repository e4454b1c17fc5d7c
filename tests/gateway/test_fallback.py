"""The next target answers where the first cannot, as long as the client has heard nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import (
    Cut,
    Delay,
    Pause,
    Reset,
    Script,
    ScriptedUpstream,
    Stall,
    never,
    openai_chat,
    stream,
    whole,
)
from llm_to_anthropic.scripted import anthropic as anthropic_wire
from llm_to_anthropic.settings import Retries, Timeouts
from llm_to_anthropic.translators.memory.surroundings import MIN_BYTES
from tests.gateway.answers import PROTOCOLS, bad, good
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.gateway.pacing import FakePace, impatient, provider, routed

each_form = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
PAIRS: list[tuple[Protocol, Protocol]] = [(one, two) for one in PROTOCOLS for two in PROTOCOLS]
START = b'event: message_start\ndata: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":3}}}\n\n'
OPEN = (
    b"event: content_block_start\n"
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
)
TEXT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"from the first"}}\n\n'
)
CHAT_TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"from the first"}}]}\n\n'
OVERLOADED = anthropic_wire.event(anthropic_wire.error("Overloaded", type="overloaded_error"))


@pytest.fixture
def pair() -> tuple[Protocol, Protocol]:
    """The protocols of the two targets."""
    return "openai_chat", "anthropic"


@pytest.fixture
def limits() -> Timeouts:
    return impatient()


@pytest.fixture
async def routes(
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    pair: tuple[Protocol, Protocol],
    limits: Timeouts,
    records: Records,
) -> AsyncIterator[Gateway]:
    """A gateway whose model `mine` has two targets, neither of them tried twice."""
    targets = {
        "gpt-4o": provider("one", upstream.url, pair[0]),
        "gpt-4.1": provider("two", second.url, pair[1]),
    }
    async with routed(targets, FakePace(), records, retries=Retries(max_retries=0), timeouts=limits) as gateway:
        yield gateway


async def answered(gateway: Gateway, *, streamed: bool = False, **fields: object) -> MemoryReply:
    return await reply_to(gateway, call(ask("mine", stream=streamed, **fields)))


class TestProtocols:
    """Every protocol as the first and as the second target."""

    @pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]} then {pair[1]}")
    def pair(self, request: pytest.FixtureRequest) -> tuple[Protocol, Protocol]:
        chosen: tuple[Protocol, Protocol] = request.param
        return chosen

    @each_form
    async def test_the_second_target_answers(
        self, routes: Gateway, script: Script, second_script: Script, pair: tuple[Protocol, Protocol], streamed: bool
    ) -> None:
        """A first target that fails is not noticed but in the headers, which name who answered."""
        script.push(bad(pair[0], 503, "first failed", headers=(("x-ratelimit-limit-requests", "60"),)))
        second_script.push(good(pair[1], "second", streamed=streamed))
        reply = await answered(routes, streamed=streamed)
        assert reply.status == 200
        assert b"second" in reply.body
        assert b"first" not in reply.body
        assert b'"model":"mine"' in reply.body
        assert reply.headers[b"x-upstream-provider"] == b"two"
        assert reply.headers[b"x-upstream-model"] == b"gpt-4.1"
        assert reply.headers[b"x-upstream-attempts"] == b"2"
        assert not [name for name in reply.headers if name.startswith(b"anthropic-ratelimit")]


class TestKnownSurroundings:
    """Requests of which all but the messages has come before."""

    BODY = '{"model":"mine","system":"' + "x" * MIN_BYTES + '","messages":[{"role":"user","content":"hi"}]%s}'

    async def test_fields_behind_the_messages_have_no_target_asked_twice(
        self, routes: Gateway, script: Script, second_script: Script, pair: tuple[Protocol, Protocol]
    ) -> None:
        """The second target answers at once, though it is the first to see that more than messages stands there."""
        usual, more = self.BODY % ',"max_tokens":9', self.BODY % ',"stop_sequences":[],"max_tokens":9'
        for _ in range(3):
            script.push(good(pair[0], "first", streamed=False))
            await routes.messages(call(usual.encode()), MemoryReply())
        script.push(bad(pair[0], 503, "first failed"), bad(pair[0], 503, "first failed"))
        second_script.push(good(pair[1], "second", streamed=False))
        reply = await reply_to(routes, call(more.encode()))
        assert reply.status == 200
        assert reply.headers[b"x-upstream-attempts"] == b"2"

    @pytest.mark.parametrize("pair", [("anthropic", "openai_chat")])
    async def test_a_request_that_the_second_target_cannot_carry_is_sent_once(
        self, routes: Gateway, script: Script, upstream: ScriptedUpstream, pair: tuple[Protocol, Protocol]
    ) -> None:
        """What the first target failed with is told, and it is not asked again."""
        body = (self.BODY % "").replace("}]", '},{"role":"assistant","content":"Well,"}]').encode()
        for _ in range(3):
            script.push(good(pair[0], "first", streamed=False))
            await routes.messages(call(body), MemoryReply())
        script.push(bad(pair[0], 503, "first failed"), bad(pair[0], 503, "first failed"))
        reply = await reply_to(routes, call(body))
        assert reply.status == 503
        assert len(upstream.requests) == 4


@each_form
async def test_a_fallback_is_on_record(
    routes: Gateway, script: Script, second_script: Script, records: Records, streamed: bool
) -> None:
    """The log tells that another target answered, and why."""
    script.push(bad("openai_chat", 503))
    second_script.push(good("anthropic", streamed=streamed))
    await answered(routes, streamed=streamed)
    (exchange,) = records.exchanges
    assert (exchange.outcome, exchange.provider, exchange.fallback) == ("ok", "two", True)
    assert exchange.failures == ("one/gpt-4o: 529 overloaded_error",)


async def test_losses_of_the_first_target_are_not_told(routes: Gateway, script: Script, second_script: Script) -> None:
    """What the first target could not take is no loss where the second takes it."""
    script.push(bad("openai_chat", 503))
    second_script.push(good("anthropic", streamed=False))
    reply = await answered(routes, top_k=5)
    assert b"x-proxy-losses" not in reply.headers


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 429, 500, 502, 503, 504])
async def test_another_target_may_do_better(
    routes: Gateway, script: Script, second_script: Script, status: int
) -> None:
    """A key, a quota, a model or a server that does not work is no reason why another should not."""
    script.push(bad("openai_chat", status))
    second_script.push(good("anthropic", streamed=False))
    assert (await answered(routes)).status == 200


class TestUntakable:
    """A fallback that cannot take the request at all."""

    @pytest.fixture
    def pair(self) -> tuple[Protocol, Protocol]:
        return "anthropic", "openai_chat"

    async def test_the_first_targets_error_is_told(
        self, routes: Gateway, script: Script, second: ScriptedUpstream
    ) -> None:
        """A request that only the first target takes is not wrong because that one is down."""
        script.push(bad("anthropic", 529, "first failed"))
        reply = await reply_to(routes, call(ask("mine", top_k=5), headers={"x-proxy-strict": "true"}))
        assert reply.status == 529
        assert b"first failed" in reply.body
        assert second.requests == []

    async def test_the_first_target_is_told_with_its_error(
        self, routes: Gateway, script: Script, records: Records
    ) -> None:
        """Error and headers are about the same target, also where another one could not be asked."""
        script.push(bad("anthropic", 529, "first failed"))
        reply = await reply_to(routes, call(ask("mine", top_k=5), headers={"x-proxy-strict": "true"}))
        assert reply.headers[b"x-upstream-provider"] == b"one"
        assert [each.provider for each in records.exchanges] == ["one"]


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_wrong_request_is_not_sent_elsewhere(
    routes: Gateway, script: Script, second: ScriptedUpstream, status: int
) -> None:
    """Where the request is at fault its client has to know."""
    script.push(bad("openai_chat", status, "wrong"))
    reply = await answered(routes)
    assert 400 <= reply.status < 500
    assert second.requests == []


async def test_where_nobody_answers_the_last_error_is_told(
    routes: Gateway, script: Script, second_script: Script
) -> None:
    """Error and headers are about the same target, the one that was asked last."""
    script.push(bad("openai_chat", 503, "first failed"))
    second_script.push(bad("anthropic", 500, "second failed"))
    reply = await answered(routes)
    assert (reply.status, reply.headers[b"x-upstream-provider"]) == (500, b"two")
    assert b"second failed" in reply.body


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param((OVERLOADED,), id="nothing"),
        pytest.param((START, OVERLOADED), id="message_start"),
        pytest.param((START, b'event: ping\ndata: {"type":"ping"}\n\n', OVERLOADED), id="ping"),
        pytest.param((START + OPEN + OVERLOADED,), id="the head of a block"),
        pytest.param((START, OPEN, Reset()), id="a reset"),
        pytest.param((START, OPEN, Cut()), id="an end"),
    ],
)
class TestPrelude:
    """An Anthropic stream that has begun, but said nothing."""

    @pytest.fixture
    def pair(self) -> tuple[Protocol, Protocol]:
        return "anthropic", "openai_chat"

    async def test_a_prelude_is_not_seen(
        self, routes: Gateway, script: Script, second_script: Script, beginning: tuple[bytes | Reset | Cut, ...]
    ) -> None:
        """What comes before the first word is held back, so another target's answer is the only one."""
        script.push(stream(*beginning))
        second_script.push(good("openai_chat", "second", streamed=True))
        reply = await answered(routes, streamed=True)
        assert reply.events().count("message_start") == 1
        assert reply.events()[-1] == "message_stop"
        assert b"second" in reply.body


@pytest.mark.parametrize("ending", [OVERLOADED, Reset(), Cut()], ids=["error", "reset", "end"])
@pytest.mark.parametrize("protocol", ["openai_chat", "anthropic"])
async def test_after_the_first_word_there_is_no_switch(
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    script: Script,
    protocol: Protocol,
    ending: bytes | Reset | Cut,
) -> None:
    """A client that has read a part of an answer never gets a part of another: one `error` event ends it."""
    broken = (START, OPEN, TEXT) if protocol == "anthropic" else (CHAT_TEXT,)
    if protocol == "openai_chat" and isinstance(ending, bytes):
        ending = b'data: {"error":{"message":"Overloaded","code":"overloaded_error"}}\n\n'
    script.push(stream(*broken, ending))
    targets = {"a": provider("one", upstream.url, protocol), "b": provider("two", second.url)}
    async with routed(targets, FakePace(), Records()) as gateway:
        reply = await answered(gateway, streamed=True)
    assert (reply.events().count("message_start"), reply.events().count("error")) == (1, 1)
    assert reply.events()[-1] == "error"
    assert (len(upstream.requests), second.requests) == (1, [])


class TestSilence:
    """A first target that says nothing for long."""

    @pytest.fixture
    def limits(self) -> Timeouts:
        return impatient(commit_after_s=0.1, ping_s=0.1)

    @pytest.fixture
    def pair(self) -> tuple[Protocol, Protocol]:
        return "anthropic", "openai_chat"

    @pytest.mark.parametrize("prelude", [(), (START,)], ids=["nothing", "message_start"])
    async def test_once_pings_flow_there_is_no_switch(
        self, routes: Gateway, script: Script, second: ScriptedUpstream, prelude: tuple[bytes, ...]
    ) -> None:
        """From the first byte on the answer is the first target's, be it an error."""
        go_on = asyncio.Event()
        script.push(stream(*prelude, Pause(go_on), OVERLOADED))
        reply = MemoryReply()
        answering = asyncio.ensure_future(routes.messages(call(ask("mine", stream=True)), reply))
        await reply.until(b"event: ping")
        go_on.set()
        await answering
        assert (reply.status, reply.events()[-1], reply.events().count("error")) == (200, "error", 1)
        assert second.requests == []

    async def test_a_held_prelude_comes_before_the_pings(self, routes: Gateway, script: Script) -> None:
        """What was held back is passed on, byte for byte and in its place, when the silence has to be bridged."""
        go_on = asyncio.Event()
        rest = TEXT + anthropic_wire.event({"type": "message_stop"})
        script.push(stream(START, OPEN, Pause(go_on), rest))
        reply = MemoryReply()
        answering = asyncio.ensure_future(routes.messages(call(ask("mine", stream=True)), reply))
        await reply.until(b"event: ping")
        go_on.set()
        await answering
        told = reply.body.replace(b'event: ping\ndata: {"type":"ping"}\n\n', b"")
        assert told == START.replace(b'"m"', b'"mine"') + OPEN + rest

    async def test_pings_of_the_upstream_do_not_prolong_it(self, routes: Gateway, script: Script) -> None:
        """An upstream that sends its own pings is silent all the same: the client is answered in time."""
        pings = (b'event: ping\ndata: {"type":"ping"}\n\n', Delay(0.02)) * 50
        script.push(stream(START, *pings, Stall()))
        reply = MemoryReply()
        answering = asyncio.ensure_future(routes.messages(call(ask("mine", stream=True)), reply))
        await reply.until(b"message_start", within_s=0.9)
        reply.disconnect()
        await answering


class TestSlowFailure:
    """A first target that fails only after a while."""

    @pytest.fixture
    def limits(self) -> Timeouts:
        return impatient(commit_after_s=0.8, ping_s=0.8)

    async def test_silence_counts_from_the_request(
        self, routes: Gateway, script: Script, second_script: Script
    ) -> None:
        """However many attempts are made meanwhile, the client hears something after `commit_after_s`."""
        script.push(whole(openai_chat.error("no"), status=503, before_head=(Delay(0.6),)))
        second_script.push(never())
        reply = MemoryReply()
        answering = asyncio.ensure_future(routes.messages(call(ask("mine", stream=True)), reply))
        await reply.until(b"event: ping", within_s=1.3)
        reply.disconnect()
        await answering


class TestContextWindow:
    """A prompt that is too long for the first target."""

    TOO_LONG = "prompt is too long: 208310 tokens > 128000 maximum"

    async def test_a_larger_window_is_looked_for(self, routes: Gateway, script: Script, second_script: Script) -> None:
        """The target that takes more answers, and the client need not compact its conversation."""
        script.push(bad("openai_chat", 400, self.TOO_LONG))
        second_script.push(good("anthropic", streamed=False))
        reply = await answered(routes)
        assert (reply.status, reply.headers[b"x-upstream-model"]) == (200, b"gpt-4.1")

    async def test_a_smaller_window_is_not_tried(
        self, upstream: ScriptedUpstream, second: ScriptedUpstream, script: Script, records: Records
    ) -> None:
        """Where no target takes more, the client gets the words on which it compacts."""
        script.push(bad("openai_chat", 400, self.TOO_LONG))
        targets = {"gpt-4.1": provider("one", upstream.url), "gpt-4o": provider("two", second.url)}
        async with routed(targets, FakePace(), records) as gateway:
            reply = await answered(gateway)
        assert reply.status == 400
        assert b"prompt is too long" in reply.body
        assert second.requests == []
