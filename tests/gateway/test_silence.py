"""Upstreams that say nothing: pings bridge their silence, and time limits end it."""

from __future__ import annotations

import asyncio

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import Delay, Pause, Script, Stall, never, stream, whole
from llm_to_anthropic.settings import Timeouts
from tests.gateway.answers import NO_END, Ending
from tests.gateway.chat_events import DONE, EVENTS, FINISH, ROLE, TEXT
from tests.gateway.conftest import Records, with_timeouts
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
EVENT = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"text":"hel"}}\n\n'


class TestSilence:
    """An upstream that takes its time."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        return Timeouts(commit_after_s=0.05, ping_s=0.05, first_event_s=5.0, idle_s=5.0)

    @pytest.mark.parametrize("phase", ["before the head", "after the head"])
    async def test_a_silent_upstream_is_bridged_by_pings(self, gateway: Gateway, script: Script, phase: str) -> None:
        """After `commit_after_s` of silence the stream begins, and pings flow until the answer comes."""
        go_on = asyncio.Event()
        if phase == "before the head":
            script.push(stream(TEXT, FINISH, DONE, before_head=(Pause(go_on),)))
        else:
            script.push(stream(ROLE, Pause(go_on), TEXT, FINISH, DONE))
        reply = MemoryReply()
        answering = asyncio.ensure_future(gateway.messages(call(ask(stream=True)), reply))
        await reply.until(b'event: ping\ndata: {"type":"ping"}\n\nevent: ping')
        go_on.set()
        await answering
        told = [name for name in reply.events() if name != "ping"]
        assert told == [name for name in EVENTS if name != "ping"] + ["message_delta", "message_stop"]

    async def test_a_late_refusal_is_an_error_event(self, gateway: Gateway, script: Script) -> None:
        """An HTTP error after the client was answered 200 becomes an `error` event with its type."""
        go_on = asyncio.Event()
        error = {"error": {"message": "slow down", "type": "rate_limit_error"}}
        script.push(whole(error, status=429, before_head=(Pause(go_on),)))
        reply = MemoryReply()
        answering = asyncio.ensure_future(gateway.messages(call(ask(stream=True)), reply))
        await reply.until(b"message_start")
        go_on.set()
        await answering
        assert reply.events()[-1] == "error"
        assert b"rate_limit_error" in reply.body

    async def test_comments_of_the_upstream_are_silence(self, gateway: Gateway, script: Script) -> None:
        """An upstream that only sends comments does not keep the client waiting for its first event."""
        go_on = asyncio.Event()
        script.push(stream(b": waiting\n\n", Pause(go_on), TEXT, FINISH, DONE))
        reply = MemoryReply()
        answering = asyncio.ensure_future(gateway.messages(call(ask(stream=True)), reply))
        await reply.until(b"message_start")
        go_on.set()
        await answering
        assert reply.events()[-1] == "message_stop"


class TestHalfSilence:
    """An upstream that goes on, but says nothing that can be told yet."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        return Timeouts(commit_after_s=0.8, ping_s=0.8, first_event_s=5.0, idle_s=5.0)

    @pytest.mark.parametrize(
        ("model", "text", "rest"),
        [
            pytest.param("openai/gpt-4.1", TEXT, b": still here\n\n", id="translated"),
            pytest.param("anthropic/claude-sonnet-4-5", EVENT, EVENT[:40], id="passed_through"),
        ],
    )
    async def test_silence_counts_from_what_the_client_heard(
        self, gateway: Gateway, script: Script, model: str, text: bytes, rest: bytes
    ) -> None:
        """Half an event, or a comment, is no reason to leave the client in silence for longer."""
        script.push(stream(text, Delay(0.6), rest, Stall()))
        reply = MemoryReply()
        answering = asyncio.ensure_future(gateway.messages(call(ask(model, stream=True)), reply))
        await reply.until(b"content_block_delta")
        reply.body = b""
        await reply.until(b"event: ping", within_s=1.15)
        reply.disconnect()
        await answering


class TestLastWords:
    """An upstream that has finished its answer, but not its stream."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        return Timeouts(ping_s=0.05, idle_s=2.0, total_s=5.0)

    @pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
    @pytest.mark.parametrize("ending", [*NO_END, pytest.param((USAGE, Stall()), id="usage and silence")])
    async def test_a_finished_answer_is_a_message(
        self,
        gateway: Gateway,
        script: Script,
        records: Records,
        ending: Ending,
        streamed: bool,
    ) -> None:
        """After a finish reason nothing of the answer is missing: a forgotten end mark costs nobody the message."""
        script.push(stream(ROLE, TEXT, FINISH, *ending))
        reply = await reply_to(gateway, call(ask(stream=streamed)))
        assert (reply.status, records.exchanges[0].outcome) == (200, "ok")
        assert b"hel" in reply.body
        assert b"end_turn" in reply.body

    async def test_late_text_is_waited_for(self, gateway: Gateway, script: Script) -> None:
        """Servers that give a finish reason too early may go on."""
        script.push(stream(TEXT, FINISH, *(Delay(0.03), TEXT, FINISH) * 4, DONE))
        reply = await reply_to(gateway, call(ask(stream=True)))
        assert reply.body.count(b'"hel"') == 5


class TestTimeouts:
    """Time limits, each with its own error."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        return with_timeouts(Timeouts(), first_event_s=0.1, reasoning_event_s=0.1, whole_s=0.1, idle_s=0.1)

    @pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
    @pytest.mark.parametrize("model", ["openai/gpt-4o", "anthropic/claude-x"])
    async def test_no_answer(
        self, gateway: Gateway, script: Script, records: Records, model: str, streamed: bool
    ) -> None:
        """An upstream that never answers is a 504 that names the phase, to the client and in the record."""
        script.push(never())
        reply = await reply_to(gateway, call(ask(model, stream=streamed)))
        assert reply.status == 504
        assert b'"phase":"first_event"' in reply.body
        (exchange,) = records.exchanges
        assert (exchange.outcome, exchange.timeout_phase) == ("timeout_error", "first_event")

    @pytest.mark.parametrize(
        ("model", "pings"),
        [
            pytest.param("openai/gpt-4o", (ROLE, *(b": alive\n\n", Delay(0.02)) * 100), id="comments"),
            pytest.param(
                "anthropic/claude-x",
                (b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n',)
                + (b'event: ping\ndata: {"type":"ping"}\n\n', Delay(0.02)) * 100,
                id="pings",
            ),
        ],
    )
    async def test_pings_alone_are_no_answer(
        self, gateway: Gateway, script: Script, records: Records, model: str, pings: tuple[bytes | Delay, ...]
    ) -> None:
        """An upstream that only shows that it lives is given up when the first event's time has passed."""
        script.push(stream(*pings))
        reply = await reply_to(gateway, call(ask(model, stream=True)))
        assert b"did not begin to answer" in reply.body
        assert records.exchanges[0].timeout_phase == "first_event"

    @pytest.mark.parametrize(
        ("model", "parts"),
        [
            pytest.param("openai/gpt-4o", (TEXT, b": alive\n\n", FINISH + DONE), id="comments"),
            pytest.param(
                "anthropic/claude-x",
                (
                    b'event: content_block_start\ndata: {"type":"content_block_start","index":0}\n\n',
                    b'event: ping\ndata: {"type":"ping"}\n\n',
                    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
                ),
                id="pings",
            ),
        ],
    )
    async def test_a_stream_that_has_begun_lives_by_pings(
        self, gateway: Gateway, script: Script, model: str, parts: tuple[bytes, bytes, bytes]
    ) -> None:
        """A stream in which nothing but pings comes for many times the limits goes on to its end."""
        words, ping, end = parts
        script.push(stream(words, *(Delay(0.03), ping) * 15, end))
        reply = await reply_to(gateway, call(ask(model, stream=True)))
        assert reply.events()[-1] == "message_stop"

    async def test_a_stalled_stream(self, gateway: Gateway, script: Script) -> None:
        """A stream that stops midway ends in an `error` event of type timeout_error."""
        script.push(stream(TEXT, Stall()))
        reply = await reply_to(gateway, call(ask(stream=True)))
        assert reply.events()[-1] == "error"
        assert b"timeout_error" in reply.body
