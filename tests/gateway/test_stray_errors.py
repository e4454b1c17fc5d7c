"""Errors that gateways put into Anthropic's streams in a form of their own: LiteLLM's is OpenAI's, others differ."""

from __future__ import annotations

import asyncio

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import Script, Stall, stream, whole
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.messages import parse_events

START = b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x"}}\n\n'
TEXT = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"hello"}}\n\n'
ERRORS = [
    pytest.param(
        b'data: {"error": {"message": "no place", "type": "None", "param": "None", "code": "429"}}\n\n',
        (429, "rate_limit_error", "no place"),
        id="with a code",
    ),
    pytest.param(b'data: {"error":{"message":"no place"}}\n\n', (502, "api_error", "no place"), id="without one"),
    pytest.param(b'data: {"error":"no place","status":503}\n\n', (503, "api_error", "no place"), id="as a text"),
    pytest.param(b'data: {"error":null}\n\n', (502, "api_error", "an error"), id="without words"),
]


async def streamed(gateway: Gateway, script: Script, *events: bytes) -> tuple[int, bytes]:
    script.push(stream(*events))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    return reply.status, reply.body


@pytest.mark.parametrize(("event", "told"), ERRORS)
@pytest.mark.parametrize("before", [b"", START, b"event: error\n"], ids=["alone", "after the start", "named"])
async def test_an_error_before_the_first_word_keeps_its_status(
    gateway: Gateway, script: Script, before: bytes, event: bytes, told: tuple[int, str, str]
) -> None:
    """What fails before it says anything is an HTTP error, so that it is tried again, or elsewhere."""
    status, body = await streamed(gateway, script, before + event)
    assert status == told[0]
    assert f'"type":"{told[1]}"'.encode() in body
    assert told[2].encode() in body


@pytest.mark.parametrize(
    "body",
    [
        {"message": "no place"},
        {"error": "no place"},
        {"detail": "no place"},
        {"object": "error", "message": "no place"},
    ],
    ids=["AWS", "as a text", "FastAPI", "vLLM"],
)
async def test_a_refusal_in_another_form_is_told_in_its_words(
    gateway: Gateway, script: Script, body: dict[str, str]
) -> None:
    """Where an error has one sentence, the client reads that sentence and not the JSON around it."""
    script.push(whole(body, status=400))
    reply = await reply_to(gateway, call(ask("claude-x")))
    assert (reply.status, reply.json()["error"]) == (400, {"type": "invalid_request_error", "message": "no place"})


@pytest.mark.parametrize(("event", "told"), ERRORS)
@pytest.mark.parametrize("end", [b"\n\n", b""], ids=["whole", "without its blank line"])
async def test_an_error_amid_an_answer_ends_it(
    gateway: Gateway, script: Script, event: bytes, told: tuple[int, str, str], end: bytes
) -> None:
    """The official SDKs go by the names of events: the words of one without a name would be lost."""
    last = event.removesuffix(b"\n\n") + end
    for events in ((START + TEXT, last), (START + TEXT + last,)):
        _, body = await streamed(gateway, script, *events)
        assert body.startswith(START + TEXT + b"event: error\ndata: ")
        (error,) = parse_events(body)[2:]
        assert (error["error"]["type"], told[2] in error["error"]["message"]) == (told[1], True)


async def test_an_error_amid_an_answer_is_on_record(gateway: Gateway, script: Script, records: Records) -> None:
    """An answer that ended so does not look well."""
    await streamed(gateway, script, START + TEXT, b'data: {"error":{"message":"no place","code":"429"}}\n\n')
    assert (records.exchanges[0].outcome, records.exchanges[0].error) == ("rate_limit_error", "no place")


async def test_a_stray_error_does_not_give_the_key_away(gateway: Gateway, script: Script) -> None:
    """Gateways repeat the key in their words, in whatever form they tell them."""
    _, body = await streamed(gateway, script, START + TEXT, b'data: {"error":{"message":"upstream-key is bad"}}\n\n')
    assert b"*** is bad" in body
    assert b"upstream-key" not in body


async def test_words_about_errors_are_only_text(gateway: Gateway, script: Script) -> None:
    """What a model says of such events is passed on as it came."""
    said = TEXT.replace(b"hello", rb"\ndata: {\"error\":{\"message\":\"x\"}}")
    stop = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert await streamed(gateway, script, START + said + stop) == (200, START + said + stop)


@pytest.mark.parametrize("before", [START + TEXT, START], ids=["amid an answer", "before the first word"])
@pytest.mark.parametrize(
    "cut_off",
    [b'data: {"error":{"message":"no pl', b'event: error\ndata: {"type":"error","error":{"mess', b"event: error\nda"],
    ids=["astray", "Anthropic's", "before its words"],
)
async def test_an_error_that_is_cut_off_does_not_hide_that_the_answer_is(
    gateway: Gateway, script: Script, before: bytes, cut_off: bytes
) -> None:
    """The client gets no half event, in which what follows would be lost, but is told that the stream broke."""
    status, body = await streamed(gateway, script, before + cut_off)
    assert b"ended before the message was complete" in body
    if status == 200:
        assert body.startswith(before + b"event: error\ndata: ")
        assert [event["type"] for event in parse_events(body)][2:] == ["error"]


async def test_a_last_error_under_its_name_gets_its_blank_line(gateway: Gateway, script: Script) -> None:
    """Without it clients do not take an event."""
    last = b'event: error\ndata: {"error":{"message":"no place"}}'
    assert await streamed(gateway, script, START + TEXT + last) == (200, START + TEXT + last + b"\n\n")


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "gathered"])
async def test_an_error_in_place_of_a_whole_answer_has_the_status_that_it_tells(
    gateway: Gateway, script: Script, records: Records, *, streaming: bool
) -> None:
    """As in a stream: what the request is refused for is not asked again as if a server had failed."""
    error = b'{"error": {"message": "no such tool", "code": "400"}}'
    script.push(stream(START + b"data: " + error + b"\n\n") if streaming else whole(error))
    reply = await reply_to(gateway, call(ask("claude-x")))
    assert reply.status == 400
    assert reply.json()["error"] == {"type": "invalid_request_error", "message": "no such tool"}
    assert records.exchanges[0].attempts == 1


@pytest.mark.parametrize(
    "last",
    [b'event: message_stop\ndata: {"type":"message_stop"}\n\n', b'data: {"error":{"message":"no place"}}\n\n'],
    ids=["complete", "failed"],
)
async def test_nothing_follows_the_last_event_where_the_server_stops(
    gateway: Gateway, script: Script, records: Records, last: bytes
) -> None:
    """An upstream that leaves its connection open does not make a failure of what its client has."""
    script.push(stream(START + TEXT + last, Stall()))
    reply = MemoryReply()
    asked = asyncio.ensure_future(gateway.messages(call(ask("claude-x", stream=True)), reply))
    await reply.until(b"message_stop" if b"stop" in last else b"no place")
    told = reply.body
    await gateway.close()
    await asyncio.wait([asked])
    assert reply.body == told
    assert records.exchanges[0].outcome == ("ok" if b"stop" in last else "api_error")
