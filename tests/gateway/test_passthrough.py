"""Anthropic upstreams: bytes pass through both ways."""

from __future__ import annotations

import asyncio
import gzip
import json

import msgspec
import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Credential, Provider, Secret
from llm_to_anthropic.scripted import Cut, Delay, Pause, Reset, Script, ScriptedUpstream, Trickle, stream, whole
from llm_to_anthropic.settings import Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to

MESSAGE = (
    b'{ "type":"message", "model":"claude-x", "content":[], "stop_reason":"end_turn",'
    b' "usage":{"input_tokens":3,"output_tokens":1} }'
)
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x","usage":'
    b'{"input_tokens":3,"output_tokens":1}}}  \n\n'
)
TEXT = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"\\u00e9 1.50"}}\n\n'
DELTA = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":9}}\n\n'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
STREAM = START + TEXT + DELTA + STOP
OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_up"}'


async def test_a_request_keeps_its_bytes(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """A body for Anthropic arrives byte for byte, with its query."""
    script.push(whole(MESSAGE))
    body = b'{"model" : "claude-x", "x": 1.50, "messages":[],  "max_tokens":1e1}'
    reply = await reply_to(gateway, call(body, query="beta=true"))
    (request,) = upstream.requests
    assert request.body == body
    assert (request.path, request.query) == ("/v1/messages", "beta=true")
    assert reply.body == MESSAGE


async def test_only_the_model_of_an_alias_changes(gateway: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """An aliased model is renamed upstream and gets its client's name back."""
    script.push(whole(MESSAGE))
    reply = await reply_to(gateway, call(b'{"model":"claude-mine","a":1.0}'))
    assert upstream.requests[0].body == b'{"model":"claude-real","a":1.0}'
    assert reply.body == MESSAGE.replace(b"claude-x", b"claude-mine")


async def test_a_model_in_a_calls_input_stays_where_the_answers_own_comes_later(
    gateway: Gateway, script: Script
) -> None:
    """A server may tell what the model said first; what a call names is the tool's, whatever it is called."""
    content = b'{"content":[{"type":"tool_use","id":"t","name":"ask","input":{"model":"gpt-4"}}],"model":"claude-real"}'
    script.push(whole(content))
    reply = await reply_to(gateway, call(b'{"model":"claude-mine","a":1.0}'))
    assert reply.body == content.replace(b"claude-real", b"claude-mine")


async def test_headers_are_clean_in_both_directions(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """Versions and betas travel untouched; credentials, cookies and the way here do not."""
    script.push(whole(MESSAGE, headers=(("request-id", "req_up"), ("set-cookie", "a=b"), ("anthropic-x", "y"))))
    sent = {
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "one, two",
        "anthropic-new-thing": "z",
        "x-api-key": "client-key",
        "authorization": "Bearer client-key",
        "cookie": "a=b",
        "x-forwarded-for": "1.2.3.4",
        "user-agent": "test",
    }
    reply = await reply_to(gateway, call(ask("claude-x"), headers=sent))
    received = upstream.requests[0].headers
    assert (received["anthropic-beta"], received["anthropic-new-thing"]) == ("one, two", "z")
    assert received["x-api-key"] == "upstream-key"
    assert not {"authorization", "cookie", "x-forwarded-for"} & set(received)
    assert reply.headers[b"request-id"] == b"req_up"
    assert reply.headers[b"anthropic-x"] == b"y"
    assert b"set-cookie" not in reply.headers


@pytest.mark.parametrize(
    "name", ["x-api-key", "authorization", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"]
)
async def test_credentials_of_the_client_stay_here(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, name: str
) -> None:
    """In whichever header a client sends its key, Anthropic does not see it, beside ours or in its place."""
    script.push(whole({"type": "message"}))
    await gateway.messages(call(ask("claude-x"), headers={name: "the-clients-own"}), MemoryReply())
    sent = [value for _, value in upstream.requests[0].header_list]
    assert not [value for value in sent if "the-clients-own" in value]


async def test_repeated_beta_headers_stay_as_they_came(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """Betas may stand in several headers: all of them reach Anthropic, in their order."""
    script.push(whole(MESSAGE))
    betas = [(b"anthropic-beta", b"one,two"), (b"anthropic-beta", b"shiny-2027-01-01")]
    await gateway.messages(msgspec.structs.replace(call(ask("claude-x")), headers=betas), MemoryReply())
    received = [value for name, value in upstream.requests[0].header_list if name == "anthropic-beta"]
    assert received == ["one,two", "shiny-2027-01-01"]


@pytest.mark.parametrize("piece", [pytest.param(STREAM, id="whole"), pytest.param(Trickle(STREAM), id="byte by byte")])
async def test_a_stream_keeps_its_bytes(
    gateway: Gateway, script: Script, records: Records, piece: bytes | Trickle
) -> None:
    """A stream arrives byte for byte, and its usage is on record."""
    script.push(stream(piece))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert reply.body == STREAM
    (exchange,) = records.exchanges
    assert exchange.usage is not None
    assert (exchange.usage.input_tokens, exchange.usage.output_tokens) == (3, 9)
    assert exchange.stop_reason == "end_turn"


@pytest.mark.parametrize("kind", ["Text/Event-Stream", "TEXT/EVENT-STREAM;charset=UTF-8"])
async def test_a_stream_is_one_however_its_type_is_spelled(gateway: Gateway, script: Script, kind: str) -> None:
    """Types of media are the same in capitals."""
    script.push(whole(STREAM, headers=(("content-type", kind),)))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert (reply.status, reply.body) == (200, STREAM)


@pytest.mark.parametrize("given", [None, "application/json; charset=utf-8"])
async def test_a_request_goes_out_as_json_also_where_its_client_did_not_say_so(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, given: str | None
) -> None:
    """We take a body without a type, and some servers would not; what a client says stays as it is."""
    script.push(whole(MESSAGE))
    await reply_to(gateway, call(ask("claude-x"), headers={} if given is None else {"content-type": given}))
    assert upstream.requests[0].headers["content-type"] == (given or "application/json")


async def test_a_whole_answer_in_place_of_a_stream_is_no_different(
    gateway: Gateway, script: Script, records: Records
) -> None:
    """A server that cannot stream answers whole: with the client's name of the model, and with usage on record."""
    script.push(whole(MESSAGE))
    reply = await reply_to(gateway, call(ask("claude-mine", stream=True)))
    assert reply.body == MESSAGE.replace(b"claude-x", b"claude-mine")
    (exchange,) = records.exchanges
    assert exchange.usage is not None
    assert (exchange.usage.input_tokens, exchange.stop_reason) == (3, "end_turn")


@pytest.mark.parametrize(
    ("end", "outcome"),
    [(DELTA + STOP, "ok"), (b"event: error\ndata: " + OVERLOADED + b"\n\n", "overloaded_error")],
    ids=["good", "failed"],
)
async def test_text_that_reads_like_an_end_is_none(
    gateway: Gateway, script: Script, records: Records, end: bytes, outcome: str
) -> None:
    """In one read with its end, or before it: what a text says of ends, errors and usage is only text."""
    said = [rb"event: error", rb"event: message_stop", rb"\"message_stop\"", rb"{\"usage\":1}"]
    texts = b"".join(TEXT.replace(b"1.50", words) for words in said)
    script.push(stream(START + TEXT, texts + end))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert reply.body == START + TEXT + texts + end
    (exchange,) = records.exchanges
    assert exchange.outcome == outcome
    assert exchange.usage is not None
    assert exchange.usage.output_tokens == (9 if outcome == "ok" else 1)


@pytest.mark.parametrize("cut_at", range(len(START + TEXT), len(STREAM) - len(STOP), 17))
async def test_a_cut_stream_ends_in_an_error_event(gateway: Gateway, script: Script, cut_at: int) -> None:
    """Wherever Anthropic's stream breaks off, the client gets whole events and then an `error` event."""
    script.push(stream(STREAM[:cut_at], Cut()))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    told, _, error = reply.body.rpartition(b"event: error\n")
    assert STREAM.startswith(told)
    assert told.endswith(b"\n\n")
    assert b"api_error" in error


async def test_an_error_is_passed_on_word_for_word(gateway: Gateway, script: Script) -> None:
    """Claude Code matches Anthropic's wording: its errors keep status and bytes."""
    script.push(whole(OVERLOADED, status=529, headers=(("retry-after", "7"),)))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert (reply.status, reply.body) == (529, OVERLOADED)
    assert reply.headers[b"retry-after"] == b"7"


async def test_an_error_as_first_event_keeps_its_status(gateway: Gateway, script: Script) -> None:
    """A stream that begins with an `error` event is an HTTP error for the client."""
    script.push(stream(b"event: error\ndata: " + OVERLOADED + b"\n\n"))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert reply.status == 529
    assert b"Overloaded" in reply.body


async def test_a_client_without_room_gets_the_same_bytes(gateway: Gateway, script: Script) -> None:
    """A client that has to be waited for after each piece gets every byte, in order."""
    script.push(stream(START, TEXT, TEXT, DELTA, STOP))
    reply = MemoryReply(room=False)
    await gateway.messages(call(ask("claude-x", stream=True)), reply)
    assert reply.body == START + TEXT + TEXT + DELTA + STOP


@pytest.mark.parametrize("ending", [Cut(), Reset()], ids=["cut", "reset"])
async def test_nothing_follows_the_end_of_a_message(
    gateway: Gateway, script: Script, records: Records, ending: Cut | Reset
) -> None:
    """A connection that breaks after message_stop breaks nothing: the message is complete."""
    script.push(stream(STREAM, ending))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert reply.body == STREAM
    assert reply.ended
    assert records.exchanges[0].outcome == "ok"


@pytest.mark.parametrize("trickles", [False, True], ids=["events", "byte by byte"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
async def test_events_without_names_get_them(gateway: Gateway, script: Script, end: bytes, trickles: bool) -> None:
    """The official SDKs go by the names of events, and some compatible servers send data alone."""
    events = [event.replace(b"\n", end) for event in (START, TEXT, TEXT, DELTA, STOP)]
    bare = [event.partition(end)[2] for event in events]
    script.push(stream(Trickle(b"".join(bare))) if trickles else stream(*bare))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert reply.body.replace(b"\r\n", b"\n") == START + TEXT + TEXT + DELTA + STOP


async def test_an_error_without_a_name_is_one(gateway: Gateway, script: Script, records: Records) -> None:
    """A server that does not name its events does not name its errors either."""
    script.push(stream(START.partition(b"\n")[2], TEXT.partition(b"\n")[2], b"data: " + OVERLOADED + b"\n\n"))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert reply.body == START + TEXT + b"event: error\ndata: " + OVERLOADED + b"\n\n"
    assert records.exchanges[0].outcome == "overloaded_error"


@pytest.mark.parametrize("missing", [b"\n", b"\n\n"], ids=["blank line", "both line ends"])
@pytest.mark.parametrize("last", [STOP, b"event: error\ndata: " + OVERLOADED + b"\n\n"], ids=["message_stop", "error"])
async def test_the_last_event_reaches_clients_without_its_blank_line(
    gateway: Gateway, script: Script, last: bytes, missing: bytes
) -> None:
    """Clients take an event at the blank line behind it: it is there also where the upstream ends its stream early."""
    script.push(stream(START + TEXT + last.removesuffix(missing)))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert reply.body == START + TEXT + last


async def test_an_error_event_is_on_record(gateway: Gateway, script: Script, records: Records) -> None:
    """A stream that Anthropic ends with an error passes as it is, and its record does not look well."""
    error = b"event: error\ndata: " + OVERLOADED + b"\n\n"
    script.push(stream(START, TEXT, error))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert reply.body == START + TEXT + error
    assert (records.exchanges[0].outcome, records.exchanges[0].error) == ("overloaded_error", "Overloaded")


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_ids_and_hints_of_an_answer_travel(
    gateway: Gateway, script: Script, records: Records, streamed: bool
) -> None:
    """Anthropic's request id, rate limits and hints about retries reach the client; our log has the id too."""
    told = {
        "request-id": "req_up",
        "retry-after": "7",
        "x-should-retry": "true",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-organization-id": "org",
    }
    answer = stream(STREAM, headers=tuple(told.items())) if streamed else whole(MESSAGE, headers=tuple(told.items()))
    script.push(answer)
    reply = await reply_to(gateway, call(ask("claude-x", stream=streamed)))
    assert {name: reply.headers[name.encode()].decode() for name in told} == told
    assert records.exchanges[0].upstream_request_id == "req_up"


@pytest.mark.parametrize("status", [401, 402])
@pytest.mark.parametrize("told", [None, "true"])
async def test_a_refused_key_is_not_worth_another_try(
    gateway: Gateway, script: Script, status: int, told: str | None
) -> None:
    """Claude Code asks on for minutes with a key that is refused, unless it is told not to; its server knows best."""
    script.push(whole(OVERLOADED, status=status, headers=(("x-should-retry", told),) if told else ()))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    assert (reply.status, reply.body, reply.headers[b"x-should-retry"]) == (
        status,
        OVERLOADED,
        (told or "false").encode(),
    )


@pytest.mark.parametrize("repeated", [r"up/key+1\"q", r"up\/key+1\"q", r"up/key\u002B1\u0022q", r"up\u002fkey+1\"q"])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_a_key_is_known_however_json_writes_it(
    script: Script, upstream: ScriptedUpstream, repeated: str, streamed: bool
) -> None:
    """A server that repeats the key in its error, with whatever letters escaped, does not give it away."""
    error = b'{"type":"error","error":{"type":"api_error","message":"no key ' + repeated.encode() + b' here"}}'
    script.push(
        stream(START, TEXT, b"event: error\ndata: " + error + b"\n\n") if streamed else whole(error, status=400)
    )
    credential = Credential(key=Secret('up/key+1"q'))
    known = Provider(name="anthropic", protocol="anthropic", base_url=upstream.url, credential=credential)
    settings = Settings(providers={"anthropic": known}, aliases={"claude-mine": ("anthropic/claude-real",)})
    gateway = Gateway(settings, Upstream(settings.timeouts, environ={}), [])
    reply = await reply_to(gateway, call(ask("claude-mine", stream=streamed)))
    await gateway.close()
    assert reply.body.endswith(error.replace(repeated.encode(), b"***") + (b"\n\n" if streamed else b""))


async def test_a_short_key_does_not_riddle_an_error(script: Script, upstream: ScriptedUpstream) -> None:
    """A word that stands in for a key, at a server that wants none, is no secret: its errors arrive word for word."""
    script.push(whole(OVERLOADED, status=400))
    credential = Credential(key=Secret("error"))
    known = Provider(name="anthropic", protocol="anthropic", base_url=upstream.url, credential=credential)
    settings = Settings(providers={"anthropic": known}, aliases={"claude-mine": ("anthropic/claude-real",)})
    gateway = Gateway(settings, Upstream(settings.timeouts, environ={}), [])
    reply = await reply_to(gateway, call(ask("claude-mine")))
    await gateway.close()
    assert (reply.status, reply.body) == (400, OVERLOADED)


@pytest.mark.parametrize("asked", ["messages", "count_tokens"])
async def test_a_clients_own_refused_key_is_its_own_matter(
    script: Script, upstream: ScriptedUpstream, asked: str
) -> None:
    """A client whose own key is refused may have another one by its next try: it is told as the upstream tells it."""
    script.push(whole(OVERLOADED, status=401))
    own = Provider(name="anthropic", protocol="anthropic", base_url=upstream.url, credential=Credential(client=True))
    settings = Settings(providers={"anthropic": own}, aliases={"claude-mine": ("anthropic/claude-real",)})
    gateway = Gateway(settings, Upstream(settings.timeouts, environ={}), [])
    reply = MemoryReply()
    await getattr(gateway, asked)(call(ask("claude-mine"), headers={"x-api-key": "own"}), reply)
    await gateway.close()
    assert (reply.status, reply.headers.get(b"x-should-retry")) == (401, None)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_an_error_in_another_form_has_one_request_id(gateway: Gateway, script: Script, streamed: bool) -> None:
    """An error that we had to wrap carries our request id, in the envelope as in the headers; its hints stay."""
    told = (("request-id", "req_up"), ("retry-after", "7"), ("x-should-retry", "true"), ("content-type", "text/plain"))
    script.push(whole(b"upstream down", status=503, headers=told))
    reply = await reply_to(gateway, call(ask("claude-x", stream=streamed)))
    assert reply.status == 503
    assert b"request-id" not in reply.headers, "the reply adds the call's own"
    assert reply.headers[b"x-upstream-request-id"] == b"req_up"
    assert reply.json()["request_id"] == "req_test000000000000000001"
    assert (reply.headers[b"retry-after"], reply.headers[b"x-should-retry"]) == (b"7", b"true")


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("told", "header"), [('"req_up"', b"req_up"), ("7", None), ('"a b"', None), ("null", None)])
async def test_an_error_that_tells_its_id_in_the_body_alone_has_it_in_the_headers(
    gateway: Gateway, script: Script, told: str, header: bytes | None, *, streamed: bool
) -> None:
    """SDKs read the header, people the body: both say the same, where a gateway of the upstream's drops the one."""
    body = OVERLOADED.replace(b'"req_up"', told.encode())
    script.push(whole(body, status=400))
    reply = await reply_to(gateway, call(ask("claude-x", stream=streamed)))
    assert (reply.status, reply.body) == (400, body)
    assert reply.headers.get(b"request-id") == header


async def test_an_error_that_ends_a_stream_has_the_request_id_of_its_headers(gateway: Gateway, script: Script) -> None:
    """A stream that told Anthropic's request id ends in an error that says the same one."""
    script.push(stream(START, TEXT, headers=(("request-id", "req_up"),)))
    reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
    event = reply.body.removeprefix(START + TEXT + b"event: error\ndata: ")
    assert reply.headers[b"request-id"] == b"req_up"
    assert json.loads(event)["request_id"] == "req_up"


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_a_compressed_answer_is_told_as_it_is(gateway: Gateway, script: Script, streamed: bool) -> None:
    """An answer that was decoded here says nothing of an encoding any more."""
    coding = (("content-encoding", "gzip"),)
    body = gzip.compress(STREAM if streamed else MESSAGE)
    script.push(stream(body, headers=coding) if streamed else whole(body, headers=coding))
    reply = await reply_to(gateway, call(ask("claude-x", stream=streamed)))
    assert reply.body == (STREAM if streamed else MESSAGE)
    assert b"content-encoding" not in reply.headers


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_a_redirect_is_an_error(gateway: Gateway, script: Script, streamed: bool) -> None:
    """A redirect is not followed, since the key would go along; its status is told."""
    script.push(whole(b"", status=307, headers=(("location", "http://elsewhere.test/"),)))
    reply = await reply_to(gateway, call(ask("claude-x", stream=streamed)))
    assert reply.status == 502
    assert b"307" in reply.body


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_a_login_page_is_an_error(gateway: Gateway, script: Script, streamed: bool) -> None:
    """A 200 that is not the API's is an api_error, and its HTML is not relayed."""
    script.push(whole(b"<html>sign in</html>", headers=(("content-type", "text/html"),)))
    reply = await reply_to(gateway, call(ask("claude-x", stream=streamed)))
    assert reply.status == 502
    assert b"api_error" in reply.body
    assert b"html" not in reply.body


async def test_a_damaged_answer_is_an_error(gateway: Gateway, script: Script) -> None:
    """A whole answer with a byte that is no UTF-8 is an api_error in words, and not passed on for JSON."""
    script.push(whole(b'{"type":"message","content":[{"type":"text","text":"h\xff"}],"stop_reason":"end_turn"}'))
    reply = await reply_to(gateway, call(ask("claude-x")))
    assert reply.status == 502
    assert b"api_error" in reply.body


class TestSilence:
    """Anthropic taking its time."""

    @pytest.fixture
    def timeouts(self) -> Timeouts:
        return Timeouts(commit_after_s=0.05, ping_s=0.05)

    async def test_pings_stand_between_events(self, gateway: Gateway, script: Script) -> None:
        """A ping never cuts an event in two, even when the upstream pauses inside one."""
        go_on = asyncio.Event()
        script.push(stream(STREAM[: len(START) + 40], Pause(go_on), STREAM[len(START) + 40 :]))
        reply = MemoryReply()
        answering = asyncio.ensure_future(gateway.messages(call(ask("claude-x", stream=True)), reply))
        await reply.until(b"event: ping")
        go_on.set()
        await answering
        pings = b'event: ping\ndata: {"type":"ping"}\n\n'
        assert reply.body.replace(pings, b"") == STREAM

    @pytest.mark.parametrize("begin", [START, START + TEXT], ids=["at the start", "later"])
    async def test_comments_do_not_break_a_silence(self, gateway: Gateway, script: Script, begin: bytes) -> None:
        """A server that writes comments while it thinks says nothing to a client, which gets pings as before."""
        comment = b": still thinking\n\n"
        thinking = [step for _ in range(12) for step in (comment, Delay(0.02))]
        script.push(stream(begin, *thinking, STREAM[len(begin) :]))
        reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
        pings = b'event: ping\ndata: {"type":"ping"}\n\n'
        assert reply.body.count(pings) >= 3
        assert reply.body.replace(pings, b"") == begin + 12 * comment + STREAM[len(begin) :]

    @pytest.mark.parametrize(
        ("said", "kind"),
        [
            ({"error": {"code": 5, "message": "no upstream-key, no such thing"}}, "api_error"),
            (
                {"error": {"type": "rate_limit_error", "message": "no upstream-key"}, "type": "error"},
                "rate_limit_error",
            ),
        ],
        ids=["openai", "anthropic"],
    )
    async def test_a_late_error_under_a_good_status_is_told_without_the_key(
        self, gateway: Gateway, script: Script, said: object, kind: str
    ) -> None:
        """What an upstream answers in place of a stream that has begun is told in its words, but for our key."""
        script.push(whole(said, before_head=(Delay(0.2),)))
        reply = await reply_to(gateway, call(ask("claude-x", stream=True)))
        assert reply.events()[-1] == "error"
        assert b"no ***" in reply.body
        assert kind.encode() in reply.body
        assert b"upstream-key" not in reply.body


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        pytest.param(OVERLOADED, "overloaded_error", "Overloaded", id="anthropic"),
        pytest.param(b'{"error":"Unexpected endpoint or method."}', "api_error", "Unexpected endpoint", id="text"),
        pytest.param(b'{"error":{"code":5,"message":"no such thing"}}', "api_error", "no such thing", id="openai"),
        pytest.param(b'{"code":500,"msg":"404 NOT_FOUND","success":false}', "api_error", "404 NOT_FOUND", id="another"),
    ],
)
async def test_an_error_under_a_good_status_is_no_message(
    gateway: Gateway, script: Script, answer: bytes, kind: str, told: str, *, streamed: bool
) -> None:
    """Some servers answer 200 whatever happens: a client that takes that for a message has one without content."""
    script.push(whole(answer))
    reply = await reply_to(gateway, call(ask("claude-x", stream=streamed)))
    error = msgspec.json.decode(reply.body, type=dict[str, dict[str, str] | str])["error"]
    assert isinstance(error, dict)
    assert reply.status == (529 if kind == "overloaded_error" else 502)
    assert error["type"] == kind
    assert told in error["message"]
