"""The targets: each takes any bytes and raises AssertionError, or what a bug raises, where a promise is broken."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from llm_to_anthropic.errors import ApiError, UpstreamProtocolError
from llm_to_anthropic.gateway.client_request import decode_envelope
from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import Line, ToolCall
from llm_to_anthropic.sse import SseDecoder
from llm_to_anthropic.translators.anthropic import (
    UsageReader,
    drop_carriers,
    for_vertex,
    for_vertex_counting,
    replace_model,
    replace_served_model,
)
from llm_to_anthropic.translators.rate_limits import rate_limit_headers, retry_after_s
from verification.behaviours import PROTOCOLS
from verification.fuzz import http
from verification.fuzz.translating import QUESTION, SPOKEN, feed, translator

NOW = 1_700_000_000.0
MAX_STATUS = 599
LINE = Line(reasoning="so it is", text="one two", calls=(ToolCall("look", '{"at":"this"}'),))
WAITS = (
    b"7",
    b"0.5",
    b"-1",
    b"1e309",
    b"nan",
    b"Wed, 21 Oct 2026 07:28:00 GMT",
    b"6m0s",
    b"1h2m3.5s",
    b"250ms",
    b"2026-10-21T07:28:00Z",
    b"\xff\xfe",
)


class FuzzTarget(msgspec.Struct, frozen=True):
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    """Good inputs to begin with, written here or by the scripted upstream."""


def slices(data: bytes) -> list[bytes]:
    """The data cut at places that depend on nothing but itself."""
    chance = random.Random(data)  # noqa: S311  the same each time
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(12)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def sse(data: bytes) -> None:
    """However a stream is cut, the same events come out of it."""
    assert _framed([data]) == _framed(slices(data)) == _framed([data[at : at + 1] for at in range(len(data))])


def answer(protocol: Protocol, data: bytes) -> None:
    """Whatever an upstream answers, the client gets legal events, a message or an error, however it was cut."""
    whole = feed(protocol, [data], stream=True)
    assert whole == feed(protocol, slices(data), stream=True), "cut otherwise, it is another answer"
    feed(protocol, [data], stream=False)


def error(protocol: Protocol, data: bytes) -> None:
    """Whatever an upstream refuses with, the client is told an error with a status and words."""
    made = translator(protocol, msgspec.json.encode(QUESTION), stream=False)
    status = 400 + (data[0] if data else 0) % 200
    told = made.decode_error(status, {"retry-after": data[1:9].decode("latin-1")}, data[1:])
    assert told.message
    assert 400 <= told.status <= MAX_STATUS
    made.heal(told, data[1:])


def request(data: bytes) -> None:
    """Whatever a client sends is refused in words or encoded for every protocol."""
    try:
        decode_envelope(data)
    except ApiError as refused:
        assert refused.status < 500, refused.message  # noqa: PT017  what was raised is judged
        return
    for protocol in SPOKEN:
        try:
            made = translator(protocol, data, stream=False)
        except ApiError as refused:
            assert refused.status < 500, refused.message  # noqa: PT017
            continue
        json.loads(made.encode().body)


def http_client(data: bytes) -> None:
    """Whatever a client sends, however cut, it gets HTTP and no internal error, and nothing of it runs on."""
    http.from_client([data])
    http.from_client(slices(data))


def http_upstream(data: bytes) -> None:
    """Whatever an upstream sends, however cut, is an answer, or an error in words."""
    http.from_upstream([data])
    http.from_upstream(slices(data))


def retry_after(data: bytes) -> None:
    """Whatever the headers say about waiting, it is a number of seconds from now on, or nothing."""
    value = data.decode("latin-1")
    for name in ("retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "anthropic-ratelimit-tokens-reset"):
        headers = {name: value, "x-ratelimit-remaining-requests": "0"}
        wait_s = retry_after_s(headers, value, NOW)
        assert wait_s is None or wait_s >= 0
        for told in rate_limit_headers(headers, NOW).values():
            assert told.isprintable()


def passthrough(data: bytes) -> None:
    """What is edited in requests and answers that pass through stays JSON, and nothing of it raises."""
    UsageReader().read(data)
    replace_served_model(data, "m")
    try:
        decode_envelope(data)
    except ApiError:
        return
    for edit in (partial(replace_model, model="m"), for_vertex, for_vertex_counting, drop_carriers):
        try:
            edited = edit(data)
        except ApiError as refused:
            assert refused.status < 500, refused.message  # noqa: PT017
            continue
        json.loads(edited.decode("utf-8", "replace"))


def _framed(pieces: list[bytes]) -> list[bytes] | None:
    decoder = SseDecoder()
    try:
        return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()
    except UpstreamProtocolError:
        return None


def _answers(protocol: str) -> tuple[bytes, ...]:
    spoken = PROTOCOLS[protocol]
    streamed = b"".join(spoken.events(LINE, "m"))
    return streamed, msgspec.json.encode(spoken.whole(LINE, "m")), spoken.failure_event, spoken.broken_event


_REQUESTS = (
    msgspec.json.encode(QUESTION),
    b'{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":'
    b'[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","media_type":'
    b'"image/png","data":"aGk="}}]}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":'
    b'"s"},{"type":"tool_use","id":"t","name":"look","input":{"at":1e400}}]}],"thinking":{"type":"enabled",'
    b'"budget_tokens":1024},"tool_choice":{"type":"any"},"stop_sequences":["x"],"temperature":0.5,"top_k":3}',
    b'{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"px1.c.x"}]},'
    b'{"role":"assistant","content":"a"}],"model":"n","anthropic_version":"x","max_tokens":1}',
)

_POST = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"
_FROM_CLIENTS = (
    _POST + b"Content-Length: 2\r\n\r\n{}GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    _POST + b"Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n",
    _POST + b"Expect: 100-continue\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
    b"OPTIONS * HTTP/1.0\r\nOrigin: null\r\nConnection: keep-alive\r\n\r\n",
)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_FROM_UPSTREAMS = (
    _ANSWER + b"Content-Length: 2\r\n\r\n{}",
    _ANSWER + b"Transfer-Encoding: chunked\r\n\r\n1;a\r\n{\r\n1\r\n}\r\n0\r\nx: y\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n" + _ANSWER + b"\r\n{}",
    _ANSWER + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}", mtime=0),
)

TARGETS: Mapping[str, FuzzTarget] = {
    "sse": FuzzTarget(
        sse, (b"data: a\n\n", b"event: b\r\ndata: c\r\ndata:d\r\n\r\n: e\r\rdata\n\n\xef\xbb\xbfdata: f")
    ),
    **{f"answer_{name}": FuzzTarget(partial(answer, name), _answers(name)) for name in SPOKEN},
    **{f"error_{name}": FuzzTarget(partial(error, name), _answers(name)[1:3]) for name in SPOKEN},
    "request": FuzzTarget(request, _REQUESTS),
    "http_client": FuzzTarget(http_client, _FROM_CLIENTS),
    "http_upstream": FuzzTarget(http_upstream, _FROM_UPSTREAMS),
    "retry_after": FuzzTarget(retry_after, WAITS),
    "passthrough": FuzzTarget(passthrough, (*_REQUESTS, *_answers("anthropic"))),
}
