"""JSON that is made to hurt, in both directions, through every protocol."""
# ruff: noqa: UP031  JSON is full of braces

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.routing import Router
from llm_to_anthropic.scripted import Script, ScriptedUpstream, stream, whole
from llm_to_anthropic.translators.registry import make_translator
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from tests.http.fake import Front, Response
from tests.security import four_protocols
from tests.security.four_protocols import MODELS, TRANSLATED, ask

DEPTH = 100_000
LISTS = b"[" * DEPTH + b"]" * DEPTH
OBJECTS = b'{"a":' * DEPTH + b"1" + b"}" * DEPTH
PATHS = ("/v1/messages", "/v1/messages/count_tokens")


def content(value: bytes) -> bytes:
    """A request with this content, still without its model."""
    return b'{"model":"MODEL","max_tokens":5,"messages":[{"role":"user","content":' + value + b"}]}"


def field(value: bytes) -> bytes:
    """A request with one more field."""
    return b'{"model":"MODEL","max_tokens":5,"messages":[{"role":"user","content":"hi"}],' + value + b"}"


def call(arguments: bytes) -> bytes:
    return content(b'[{"type":"tool_use","id":"a","name":"b","input":' + arguments + b"}]")


BAD: dict[str, bytes] = {
    "deep_content": content(LISTS),
    "deep_block": content(b'[{"type":"text","text":"x","y":' + LISTS + b"}]"),
    "deep_arguments": call(OBJECTS),
    "deep_schema": field(b'"tools":[{"name":"a","input_schema":' + OBJECTS + b"}]"),
    "deep_unknown_field": field(b'"unknown":' + LISTS),
    "deep_root": LISTS,
    "unclosed": b"[" * DEPTH,
    "unclosed_content": content(b"[" * DEPTH),
    "nan": field(b'"temperature":NaN'),
    "infinity": field(b'"temperature":-Infinity'),
    "nan_in_unknown_field": field(b'"unknown":NaN'),
    "nan_in_arguments": call(b'{"a":NaN}'),
    "beyond_all_floats": field(b'"temperature":1e400'),
    "5000_digits": field(b'"top_k":' + b"9" * 5000),
    "leading_zero": field(b'"temperature":01'),
    "plus": field(b'"temperature":+1'),
    "hexadecimal": field(b'"temperature":0x1'),
    "no_digit_before_point": field(b'"temperature":.5'),
    "single_quotes": b"{'model':'MODEL'}",
    "trailing_comma": field(b'"a":[1,]'),
    "comment": field(b'/**/"a":1'),
    "byte_order_mark": b"\xef\xbb\xbf" + content(b'"hi"'),
    "utf_16": content(b'"hi"').decode().encode("utf-16"),
    "utf_32": content(b'"hi"').decode().encode("utf-32"),
    "latin_1": content(b'"h\xe9"'),
    "overlong": content(b'"\xc0\xaf"'),
    "encoded_surrogates": content(b'"\xed\xa0\xbd\xed\xb8\x80"'),
    "lone_high_half": content(b'"\\ud83d"'),
    "lone_low_half": content(b'"\\ude00"'),
    "lone_half_in_arguments": call(b'{"a":"\\ud83d"}'),
    "lone_half_in_unknown_field": field(b'"unknown":"\\ud83d"'),
    "control_character": content(b'"a\x01b"'),
    "line_break": content(b'"a\nb"'),
    "nul": content(b'"a\x00b"'),
    "bad_escape": content(b'"\\x41"'),
    "trailing_garbage": content(b'"hi"') + b"x",
    "two_objects": content(b'"hi"') * 2,
    "cut": content(b'"hi"')[:-5],
    "empty": b"",
    "blank": b" \r\n\t",
    "null": b"null",
    "number": b"1",
    "string": b'"MODEL"',
    "list": b"[]",
}


@pytest.mark.parametrize("protocol", TRANSLATED)
@pytest.mark.parametrize("path", PATHS)
async def test_bad_json_is_a_400_at_once(protocol: str, path: str, proxy: Front, upstream: ScriptedUpstream) -> None:
    """No nesting, number, encoding or cut is more than an invalid_request_error, within 20 ms; nothing is sent."""
    found: dict[str, tuple[tuple[int, str], bool]] = {}
    for name, body in BAD.items():
        took = []
        for _ in range(3):
            began = time.perf_counter()
            answer = await proxy.request("POST", path, {}, body.replace(b"MODEL", MODELS[protocol].encode()))
            took.append(time.perf_counter() - began)
        found[name] = (answer.error, min(took) < 0.02)
    assert {name: seen for name, seen in found.items() if seen != ((400, "invalid_request_error"), True)} == {}
    assert upstream.requests == []


@pytest.mark.parametrize("path", PATHS)
async def test_bad_json_for_anthropic_is_never_a_crash(path: str, proxy: Front, upstream: ScriptedUpstream) -> None:
    """What passes through is judged by Anthropic; here it is a 400, or travels on as it came."""
    for name, body in BAD.items():
        sent = body.replace(b"MODEL", b"claude-x")
        upstream.requests.clear()
        answer = await proxy.request("POST", path, {}, sent)
        assert answer.status in (200, 400, 404), name
        assert answer.status != 200 or upstream.requests[0].body == sent, name


async def test_bad_json_in_batches_is_never_a_crash(proxy: Front, upstream: ScriptedUpstream) -> None:
    """As a batch, or within one, it travels on as it came: Anthropic alone has batches, and says best what is wrong."""
    for name, body in BAD.items():
        sent = body.replace(b"MODEL", b"claude-x")
        for batch in (sent, b'{"requests":[{"custom_id":"a","params":' + sent + b"}]}"):
            upstream.requests.clear()
            answer = await proxy.request("POST", "/v1/messages/batches", {}, batch)
            assert answer.status == 200, name
            assert [request.body for request in upstream.requests] == [batch], name


def _target(protocol: str) -> Target:
    return Router(four_protocols.settings("http://localhost:1")).resolve(MODELS[protocol]).targets[0]


def _encoded(protocol: str, body: dict[str, Any]) -> bytes:
    request = ClientRequest(
        body=json.dumps(body).encode(), model="m", stream=False, request_id="req_1", message_id="msg_1"
    )
    return make_translator(request, _target(protocol), Learned()).encode().body


def _arguments(protocol: str, sent: Any) -> Any:
    """The arguments of the one call in the history that went upstream."""
    match protocol:
        case "openai_chat":
            message = next(each for each in sent["messages"] if each.get("tool_calls"))
            return json.loads(message["tool_calls"][0]["function"]["arguments"])
        case "openai_responses":
            return json.loads(next(each for each in sent["input"] if each.get("type") == "function_call")["arguments"])
        case _:
            parts = [part for turn in sent["contents"] for part in turn["parts"]]
            return next(part["functionCall"] for part in parts if "functionCall" in part)["args"]


NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 1e-300, 1e300, 2**53 + 1, 2**63, -(2**63), 2**64, 10**20, 0.1, 1.0]),
)


def _same(one: object, other: object) -> bool:
    return one == other and type(one) is type(other) and str(one) == str(other)


@pytest.mark.parametrize("protocol", TRANSLATED)
@given(number=NUMBERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_numbers_of_calls_and_schemas_arrive_as_they_were(protocol: str, number: float) -> None:
    """Integers of any size and floats keep value and kind on their way to every upstream."""
    turns = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "t", "input": {"n": number}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]},
    ]
    schema = {"type": "object", "properties": {"n": {"type": "number", "enum": [number], "default": number}}}
    body = ask(protocol, messages=turns, tools=[{"name": "t", "input_schema": schema}])
    encoded = _encoded(protocol, body)
    assert _same(_arguments(protocol, json.loads(encoded))["n"], number)
    assert json.dumps(number).encode() in encoded or protocol == "gemini"


def _call_answer(protocol: str, arguments: str) -> dict[str, Any]:
    """A whole answer with one call."""
    answer = json.loads(json.dumps(four_protocols.ANSWERS[protocol]))
    match protocol:
        case "openai_chat":
            function = {"name": "t", "arguments": arguments}
            message = {"role": "assistant", "content": None}
            message["tool_calls"] = [{"id": "c1", "type": "function", "function": function}]  # type: ignore[assignment]
            answer["choices"] = [{"index": 0, "finish_reason": "tool_calls", "message": message}]
        case "openai_responses":
            item = {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "t", "status": "completed"}
            answer["output"] = [item | {"arguments": arguments}]
        case _:
            answer["candidates"][0]["content"]["parts"] = [{"functionCall": {"name": "t", "args": "ARGUMENTS"}}]
    return dict(answer)


@pytest.mark.parametrize("number", ["100000000000000000000000", "-0.0", "1e-300", "9007199254740993", "1.0", "0.1"])
@pytest.mark.parametrize("protocol", TRANSLATED)
async def test_numbers_of_an_upstreams_call_reach_the_client(
    protocol: str, number: str, proxy: Front, script: Script
) -> None:
    """What a model wrote as a number is the same number in the client's tool input."""
    arguments = '{"n":%s}' % number
    answer = json.dumps(_call_answer(protocol, arguments)).replace('"ARGUMENTS"', arguments)
    script.push(whole(answer.encode()))
    declared = [{"name": "t", "input_schema": {"type": "object", "properties": {"n": {"type": "number"}}}}]
    reply = await proxy.request("POST", "/v1/messages", {}, json.dumps(ask(protocol, tools=declared)).encode())
    (block,) = [block for block in reply.json()["content"] if block["type"] == "tool_use"]
    assert _same(block["input"]["n"], json.loads(number))


def _data(*events: str) -> list[bytes]:
    return [b"data: " + event.encode() + b"\n\n" for event in events]


def _chat_deltas(*texts: str) -> list[bytes]:
    chunk = (
        '{"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}'
    )
    deltas = [chunk % ('{"content":"%s"}' % text, "null") for text in texts]
    return _data(*deltas, chunk % ("{}", '"stop"'), "[DONE]")


def _gemini_deltas(*texts: str) -> list[bytes]:
    chunk = '{"candidates":[{"content":{"role":"model","parts":[{"text":"%s"}]}%s,"index":0}],"modelVersion":"m"}'
    ends = [""] * (len(texts) - 1) + [',"finishReason":"STOP"']
    return _data(*(chunk % pair for pair in zip(texts, ends, strict=True)))


def _responses_deltas(*texts: str) -> list[bytes]:
    place = '"item_id":"msg_1","output_index":0,"content_index":0'
    part = '{"type":"output_text","text":"%s","annotations":[]}'
    item = '{"id":"msg_1","type":"message","role":"assistant","status":"%s","content":[%s]}'
    done = item % ("completed", part % "".join(texts))
    return _data(
        '{"type":"response.created","response":{"id":"r","status":"in_progress","model":"m","output":[]}}',
        '{"type":"response.output_item.added","output_index":0,"item":%s}' % (item % ("in_progress", "")),
        '{"type":"response.content_part.added",%s,"part":%s}' % (place, part % ""),
        *('{"type":"response.output_text.delta",%s,"delta":"%s"}' % (place, text) for text in texts),
        '{"type":"response.completed","response":{"id":"r","status":"completed","model":"m","output":[%s]}}' % done,
    )


DELTAS: dict[str, Callable[..., list[bytes]]] = {
    "openai_chat": _chat_deltas,
    "openai_responses": _responses_deltas,
    "gemini": _gemini_deltas,
}


def _text_of(answer: Response, *, streamed: bool) -> str:
    if not streamed:
        return "".join(block["text"] for block in answer.json()["content"])
    lines = [line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: ")]
    deltas = [event["delta"] for event in map(json.loads, lines) if event["type"] == "content_block_delta"]
    return "".join(delta["text"] for delta in deltas)


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("protocol", TRANSLATED)
@pytest.mark.parametrize(
    ("texts", "text"),
    [
        pytest.param(("\\ud83d", "\\ude00"), "😀", id="halves"),
        pytest.param(("a\\ud83d", "\\ude00b"), "a😀b", id="halves_amid_text"),
        pytest.param(("\\ud83d", "\\ud83d\\ude00"), "\ufffd😀", id="half_before_whole"),
        pytest.param(("\\ud83d", "b"), "\ufffdb", id="half_without_its_other"),
        pytest.param(("a", "\\ud83d"), "a\ufffd", id="half_at_the_end"),
        pytest.param(("\\ude00", "b"), "\ufffdb", id="second_half_alone"),
        pytest.param(("a\u2028b", "\u0085c"), "a\u2028b\u0085c", id="separators"),
    ],
)
async def test_characters_in_two_halves_are_whole_for_the_client(
    *, texts: tuple[str, str], text: str, protocol: str, streamed: bool, proxy: Front, script: Script
) -> None:
    """An emoji that an upstream cut between two events arrives, and half of one is a replacement, not an error."""
    script.push(stream(*DELTAS[protocol](*texts)))
    answer = await proxy.request("POST", "/v1/messages", {}, json.dumps(ask(protocol, stream=streamed)).encode())
    assert answer.status == 200
    assert _text_of(answer, streamed=streamed) == text


ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("protocol", TRANSLATED)
def test_a_stream_may_be_cut_anywhere(protocol: str, end: bytes) -> None:
    """Every place at which an upstream's stream can be cut, with every line ending, gives the same answer."""
    data = b"".join(DELTAS[protocol]("One \u2028", "😀 two\\n", "\\ud83d", "\\ude00")).replace(b"\n", end)
    request = ClientRequest(
        body=json.dumps(ask(protocol, stream=True)).encode(),
        model="m",
        stream=True,
        request_id="req_1",
        message_id="msg_1",
    )

    def told(*slices: bytes) -> bytes:
        translator = make_translator(request, target, Learned())
        translator.encode()
        out = b"".join(translator.receive_data(piece) for piece in slices if piece)
        return out + translator.receive_eof()

    target = _target(protocol)
    expected = told(data)
    assert b"message_stop" in expected
    for place in range(len(data) + 1):
        assert told(data[:place], data[place:]) == expected, place
    assert told(*(data[place : place + 1] for place in range(len(data)))) == expected
