"""The way of a request through the gateway, on a scripted upstream."""

from __future__ import annotations

import asyncio

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import Cut, Reset, Script, ScriptedUpstream, Stall, never, stream, whole
from llm_to_anthropic.settings import Retries, Settings, Timeouts
from llm_to_anthropic.translators.memory.surroundings import MIN_BYTES
from llm_to_anthropic.upstream import Upstream
from tests.gateway.chat_events import DONE, EVENTS, FINISH, ROLE, TEXT
from tests.gateway.conftest import Records, providers
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to

WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
ERROR = b'data: {"error":{"message":"broken inside","type":"server_error","code":"server_error"}}\n\n'


def refusal(message: str, *, status: int = 400, param: str | None = None) -> object:
    return whole({"error": {"message": message, "type": "invalid_request_error", "param": param}}, status=status)


async def test_a_whole_message(gateway: Gateway, script: Script, records: Records) -> None:
    """A client that wants a whole message gets it under the model name it asked for."""
    script.push(whole(WHOLE, headers=(("x-request-id", "up-1"),)))
    reply = await reply_to(gateway, call(ask()))
    message = reply.json()
    assert (reply.status, message["model"], message["stop_reason"]) == (200, "openai/gpt-4o", "end_turn")
    (exchange,) = records.exchanges
    assert (exchange.outcome, exchange.upstream_model, exchange.upstream_request_id) == ("ok", "gpt-4o", "up-1")
    assert exchange.usage is not None
    assert (exchange.usage.input_tokens, exchange.usage.output_tokens) == (9, 2)


async def test_every_answer_says_where_it_came_from(gateway: Gateway, script: Script) -> None:
    """Provider, upstream model, attempts and losses stand in the answer's headers."""
    script.push(whole(WHOLE))
    reply = await reply_to(gateway, call(ask(top_k=5)))
    assert reply.headers[b"x-upstream-provider"] == b"openai"
    assert reply.headers[b"x-upstream-model"] == b"gpt-4o"
    assert reply.headers[b"x-upstream-attempts"] == b"1"
    assert reply.headers[b"x-proxy-losses"] == b"top_k"


async def test_a_stream(gateway: Gateway, script: Script, records: Records) -> None:
    """A streamed answer arrives as Anthropic's events."""
    script.push(stream(ROLE, TEXT, FINISH, DONE))
    reply = await reply_to(gateway, call(ask(stream=True)))
    assert reply.events() == [*EVENTS, "message_delta", "message_stop"]
    assert reply.headers[b"content-type"].startswith(b"text/event-stream")
    (exchange,) = records.exchanges
    assert exchange.stream
    assert exchange.ttft_ms is not None


@pytest.mark.parametrize("size", [MIN_BYTES, 20 * MIN_BYTES])
@pytest.mark.parametrize("more", ['"stream":true', '"stream":true,"stop_sequences":["x"]'])
async def test_a_stream_that_is_asked_for_at_the_end(gateway: Gateway, script: Script, more: str, size: int) -> None:
    """It is one also where the same request came before without it, and what stood around its messages is known."""
    said = "hello " * (size // 6)
    body = '{"model":"openai/gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"' + said + '"}]%s}'
    for _ in range(3):
        script.push(whole(WHOLE))
        await gateway.messages(call((body % "").encode()), MemoryReply())
    script.push(stream(ROLE, TEXT, FINISH, DONE))
    reply = await reply_to(gateway, call((body % f",{more}").encode()))
    assert reply.events() == [*EVENTS, "message_delta", "message_stop"]


async def test_a_request_that_names_another_model_at_its_end_is_not_refused_for_the_first_ones_sake(
    gateway: Gateway, script: Script
) -> None:
    """What one protocol cannot carry is told by the one that is asked, also where all else of a body is known."""
    said = "hello " * (MIN_BYTES // 6)
    body = '{"model":"openai/gpt-4o","max_tokens":9,"messages":[{"role":"user","content":"' + said + '"}]%s}'
    for _ in range(3):
        script.push(whole(WHOLE))
        await gateway.messages(call((body % "").encode()), MemoryReply())
    answer = b'{"type":"message","model":"claude-x","content":[]}'
    script.push(whole(answer))
    reply = await reply_to(gateway, call((body % ',"model":"claude-x","messages":[]').encode()))
    assert (reply.status, reply.body) == (200, answer)


async def test_the_upstream_gets_its_key_and_not_the_clients(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """The client's key stays in the proxy; the upstream sees its own."""
    script.push(whole(WHOLE))
    await gateway.messages(call(ask(), headers={"x-api-key": "client-key", "cookie": "a=b"}), MemoryReply())
    (request,) = upstream.requests
    assert request.headers["authorization"] == "Bearer upstream-key"
    assert "client-key" not in str(request.header_list)
    assert "cookie" not in request.headers


async def test_an_error_before_the_first_text_keeps_its_status(gateway: Gateway, script: Script) -> None:
    """An upstream that refuses inside its stream before any text is an HTTP error, not a 200."""
    script.push(stream(ROLE, ERROR))
    reply = await reply_to(gateway, call(ask(stream=True)))
    assert reply.status >= 500
    assert b"broken inside" in reply.body


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param((ERROR,), id="error in the stream"),
        pytest.param((Cut(),), id="connection closed"),
        pytest.param((Reset(),), id="connection reset"),
        pytest.param((), id="no finish"),
    ],
)
async def test_a_broken_stream_ends_in_an_error_event(
    gateway: Gateway, script: Script, records: Records, ending: tuple[bytes | Cut | Reset, ...]
) -> None:
    """However an upstream breaks off after some text, the client is told by an `error` event."""
    script.push(stream(ROLE, TEXT, *ending))
    reply = await reply_to(gateway, call(ask(stream=True)))
    assert reply.events()[-1] == "error"
    assert "message_stop" not in reply.events()
    assert reply.ended
    assert records.exchanges[0].outcome != "ok"


async def test_a_client_without_room_gets_the_whole_stream(gateway: Gateway, script: Script) -> None:
    """A client that has to be waited for after each piece loses nothing of the stream."""
    script.push(stream(ROLE, TEXT, TEXT, TEXT, FINISH, DONE))
    reply = MemoryReply(room=False)
    await gateway.messages(call(ask(stream=True)), reply)
    assert reply.body.count(b'"text":"hel"') == 3
    assert reply.events()[-1] == "message_stop"


async def test_a_broken_stream_is_not_sent_again(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """Once the client has seen text, no second request could continue it."""
    script.push(stream(ROLE, TEXT, Reset()), stream(TEXT, FINISH, DONE))
    reply = await reply_to(gateway, call(ask(stream=True)))
    assert reply.events()[-1] == "error"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({}, id="no version"),
        pytest.param({"anthropic-version": "2023-06-01"}, id="old version"),
        pytest.param({"anthropic-version": "2026-10-21"}, id="new version"),
        pytest.param({"anthropic-beta": "shiny-2027-01-01,other"}, id="unknown beta"),
        pytest.param({"x-stainless-lang": "python", "anthropic-new": "x"}, id="unknown headers"),
    ],
)
async def test_headers_of_any_client_are_fine(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, sent: dict[str, str]
) -> None:
    """What a client says of its version and betas fails no request, and none of it goes to another vendor."""
    script.push(whole(WHOLE))
    reply = await reply_to(gateway, call(ask(), headers=sent))
    assert reply.status == 200
    assert not [name for name in upstream.requests[0].headers if name.startswith(("anthropic", "x-stainless"))]


async def test_an_unknown_api_version_is_refused(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """A date that is no version of the API is the client's mistake; the versions that exist are told."""
    reply = await reply_to(gateway, call(ask(), headers={"anthropic-version": "2024-13-01"}))
    assert reply.status == 400
    assert b"2023-06-01" in reply.body
    assert upstream.requests == []


async def test_an_upstream_that_is_not_there(timeouts: Timeouts, retries: Retries, records: Records) -> None:
    """A refused connection is a 502 in words, without a trace of key or code."""
    settings = Settings(providers=providers("http://127.0.0.1:1"), aliases={}, timeouts=timeouts, retries=retries)
    nowhere = Gateway(settings, Upstream(timeouts, environ={}), [records])
    reply = await reply_to(nowhere, call(ask()))
    await nowhere.close()
    assert reply.status == 502
    assert b"api_error" in reply.body
    assert b"upstream-key" not in reply.body
    assert b"Traceback" not in reply.body


class TestRateLimits:
    """The upstream's limits, told to the client."""

    LIMITS = (("x-ratelimit-limit-requests", "60"), ("x-ratelimit-remaining-tokens", "1000"))

    @pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
    async def test_limits_of_an_answer_are_told(self, gateway: Gateway, script: Script, streamed: bool) -> None:
        """The rate limits of a good answer travel too, in Anthropic's names."""
        script.push(stream(TEXT, FINISH, DONE, headers=self.LIMITS) if streamed else whole(WHOLE, headers=self.LIMITS))
        reply = await reply_to(gateway, call(ask(stream=streamed)))
        assert reply.headers[b"anthropic-ratelimit-requests-limit"] == b"60"
        assert reply.headers[b"anthropic-ratelimit-tokens-remaining"] == b"1000"

    async def test_an_answer_without_limits_tells_none(self, gateway: Gateway, script: Script) -> None:
        """No limits are made up."""
        script.push(whole(WHOLE))
        reply = await reply_to(gateway, call(ask()))
        assert not [name for name in reply.headers if name.startswith(b"anthropic-ratelimit")]


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_a_client_that_leaves_cancels_the_upstream(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, records: Records, streamed: bool
) -> None:
    """Leaving before the first byte closes the upstream's connection within 250 ms."""
    script.push(never())
    reply = MemoryReply()
    answering = asyncio.ensure_future(gateway.messages(call(ask(stream=streamed)), reply))
    request = await upstream.request(0)
    reply.disconnect()
    async with asyncio.timeout(0.25):
        await request.closed.wait()
    await answering
    (exchange,) = records.exchanges
    assert (exchange.status, exchange.outcome) == (499, "client_disconnected")


async def test_a_client_that_leaves_midway_cancels_the_upstream(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """Leaving in the middle of a stream closes the upstream's connection within 250 ms."""
    script.push(stream(TEXT, Stall()))
    reply = MemoryReply()
    answering = asyncio.ensure_future(gateway.messages(call(ask(stream=True)), reply))
    await reply.until(b"hel")
    reply.disconnect()
    async with asyncio.timeout(0.25):
        await upstream.requests[0].closed.wait()
    await answering


async def test_closing_ends_open_streams_with_an_error(gateway: Gateway, script: Script) -> None:
    """A server that stops tells its open streams by an `error` event."""
    script.push(stream(TEXT, Stall()))
    reply = MemoryReply()
    answering = asyncio.ensure_future(gateway.messages(call(ask(stream=True)), reply))
    await reply.until(b"hel")
    await gateway.close()
    await asyncio.wait([answering])
    assert reply.events()[-1] == "error"
    assert b"overloaded_error" in reply.body


async def test_closing_says_when_to_come_again(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, records: Records
) -> None:
    """Who has no answer yet when the server stops gets a 529 that can be waited for, and is counted as refused."""
    script.push(whole({}, before_head=(Stall(),)))
    reply = MemoryReply()
    answering = asyncio.ensure_future(gateway.messages(call(ask()), reply))
    await upstream.request(0)
    await gateway.close()
    await asyncio.wait([answering])
    assert (reply.status, reply.headers[b"retry-after"]) == (529, b"2")
    assert [(each.outcome, each.refusal) for each in records.exchanges] == [("overloaded_error", "draining")]


async def test_strict_mode_names_the_loss_and_sends_nothing(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """With `x-proxy-strict` a reportable loss is a 400 that names it."""
    reply = await reply_to(gateway, call(ask(top_k=5), headers={"x-proxy-strict": "true"}))
    assert reply.status == 400
    assert b"top_k" in reply.body
    assert b'"details":{"losses":["top_k"]}' in reply.body
    assert upstream.requests == []


async def test_strict_mode_lets_a_lowered_max_tokens_pass(gateway: Gateway, script: Script) -> None:
    """Claude Code asks for 64000 tokens of every model: that they were lowered is told and no reason to refuse."""
    script.push(whole(WHOLE))
    reply = await reply_to(gateway, call(ask(max_tokens=64000), headers={"x-proxy-strict": "true"}))
    assert reply.status == 200
    assert reply.headers[b"x-proxy-losses"] == b"max_tokens"


async def test_a_refused_parameter_is_left_out_once_and_remembered(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """An upstream that refuses max_tokens gets max_completion_tokens, and from then on at once."""
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    script.push(refusal(message, param="max_tokens"), whole(WHOLE), whole(WHOLE))  # type: ignore[arg-type]
    first, second = MemoryReply(), MemoryReply()
    await gateway.messages(call(ask()), first)
    await gateway.messages(call(ask()), second)
    assert (first.status, second.status) == (200, 200)
    assert first.headers[b"x-upstream-attempts"] == b"2"
    assert ["max_tokens" in request.json() for request in upstream.requests] == [True, False, False]


async def test_a_refusal_is_not_retried_for_ever(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """An upstream that refuses the mended request as well is believed."""
    error = refusal("Unsupported parameter: 'max_tokens'.", param="max_tokens")
    script.push(error, error, error)  # type: ignore[arg-type]
    reply = await reply_to(gateway, call(ask()))
    assert reply.status == 400
    assert len(upstream.requests) == 2


async def test_max_tokens_zero_needs_no_upstream(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """A cache pre-warm is answered here, with no content and a count of its input."""
    reply = await reply_to(gateway, call({**ask(), "max_tokens": 0}))
    message = reply.json()
    assert (reply.status, message["content"], message["stop_reason"]) == (200, [], "max_tokens")
    assert upstream.requests == []


async def test_tokens_are_counted_here(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """count_tokens for a translated model needs no upstream."""
    reply = MemoryReply()
    body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}
    await gateway.count_tokens(call(body, path="/v1/messages/count_tokens"), reply)
    count = reply.json()["input_tokens"]
    assert isinstance(count, int)
    assert 2 <= count <= 15
    assert upstream.requests == []


async def test_an_unknown_model_is_told_with_some_that_exist(gateway: Gateway) -> None:
    """A model that nobody serves is a 404 that names it and others."""
    reply = await reply_to(gateway, call(ask("nonsense")))
    assert reply.status == 404
    assert b"nonsense" in reply.body
    assert b"claude-" in reply.body


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b"{", b"JSON", id="no json"),
        pytest.param(b"[]", b"object", id="no object"),
        pytest.param(b'{"messages":[]}', b"model", id="no model"),
        pytest.param(b'{"model":5,"messages":[]}', b"model", id="model is no string"),
        pytest.param(b'{"model":"openai/%b","messages":[]}' % (b"x" * 5000), b"more than 1024", id="endless model"),
        pytest.param(
            b'{"model":"openai/gpt-4o","max_tokens":1,"messages":[{"role":"user","content":NaN}]}', b"JSON", id="nan"
        ),
        pytest.param(b'{"model":"openai/gpt-4o","x":' + b"[" * 1_000_000, b"nest", id="nested a million deep"),
    ],
)
async def test_bad_bodies_are_refused_in_words(
    gateway: Gateway, upstream: ScriptedUpstream, body: bytes, told: bytes
) -> None:
    """A body that is no request is a 400 that says what is wrong; nothing goes upstream."""
    reply = await reply_to(gateway, call(body))
    assert reply.status == 400
    assert b"invalid_request_error" in reply.body
    assert told in reply.body
    assert upstream.requests == []


@pytest.mark.parametrize("handle", ["messages", "count_tokens"])
async def test_an_endless_model_is_not_written_down(gateway: Gateway, records: Records, handle: str) -> None:
    """Log and metrics remember models by their names: what a client sends in place of one is in neither."""
    reply = MemoryReply()
    await getattr(gateway, handle)(call(ask("openai/" + "x" * 5000)), reply)
    assert reply.status == 400
    assert records.exchanges[0].client_model == ""


async def test_a_crash_is_on_record_as_one(upstream: ScriptedUpstream, records: Records, gateway: Gateway) -> None:
    """A bug of ours does not look like a success in the log."""

    class Broken(MemoryReply):
        async def whole(self, status: int, headers: object, body: bytes) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await gateway.messages(call({**ask(), "max_tokens": 0}), Broken())
    (exchange,) = records.exchanges
    assert exchange.outcome == "api_error"
