"""Servers of Anthropic's API that stream whatever is asked of them: sub2api, CodeBuddy's, free-claude-code."""

from __future__ import annotations

import json
import time

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import Line, Script, anthropic, stream
from llm_to_anthropic.scripted.line import ToolCall
from llm_to_anthropic.translators.gathered import gathered
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to

LINES = {
    "text": Line(text="hé, how are you?"),
    "thinking": Line(reasoning="let me think about it", text="yes"),
    "calls": Line(calls=(ToolCall(id="t1", name="a", arguments='{"n": 1.50}'), ToolCall(id="t2", name="b"))),
    "no words": Line(cut_off=True),
}
START = anthropic.event(
    {"type": "message_start", "message": {"type": "message", "model": "m", "content": [], "usage": {"input_tokens": 3}}}
)
STOP = anthropic.event({"type": "message_stop"})


def opened(index: int, **block: object) -> bytes:
    return anthropic.event({"type": "content_block_start", "index": index, "content_block": block})


def added(index: int, **delta: object) -> bytes:
    return anthropic.event({"type": "content_block_delta", "index": index, "delta": delta})


def ended(reason: str, **beside: object) -> bytes:
    usage = {"output_tokens": 5, "input_tokens": None}
    delta = {"stop_reason": reason, "stop_sequence": None}
    return anthropic.event({"type": "message_delta", "delta": delta, "usage": usage, **beside})


async def asked_whole(gateway: Gateway, script: Script, *events: bytes) -> MemoryReply:
    script.push(stream(*events))
    return await reply_to(gateway, call(ask("claude-mine")))


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
@pytest.mark.parametrize("tail", [b"", b"data: [DONE]\n\n"], ids=["", "done"])
async def test_a_stream_in_place_of_a_whole_answer_is_put_together(
    gateway: Gateway, script: Script, line: Line, tail: bytes
) -> None:
    """A client that wants a message gets the one that a whole answer would have been, as JSON, under its name."""
    reply = await asked_whole(gateway, script, *anthropic.events(line, "claude-real"), tail)
    assert (reply.status, reply.headers[b"content-type"]) == (200, b"application/json")
    assert json.loads(reply.body) == anthropic.message(line, "claude-mine")


async def test_a_message_that_was_streamed_is_on_record(gateway: Gateway, script: Script, records: Records) -> None:
    """Usage and stop reason are those of all the events."""
    await asked_whole(gateway, script, *anthropic.events(Line(text="one two three"), "claude-real"))
    (exchange,) = records.exchanges
    assert exchange.usage is not None
    assert (exchange.usage.output_tokens, exchange.stop_reason, exchange.outcome) == (3, "end_turn", "ok")


async def test_all_that_events_say_is_in_the_message(gateway: Gateway, script: Script) -> None:
    """Citations, a compaction, what a server tool found, numbers as they were written, and what was edited."""
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result"}]}
    compacted = {"content": "so far", "encrypted_content": "e"}
    reply = await asked_whole(
        gateway,
        script,
        START,
        opened(0, type="text", text="", citations=None) + added(0, type="text_delta", text="x"),
        added(0, type="citations_delta", citation={"cited_text": "a"}),
        added(0, type="citations_delta", citation={"cited_text": "b"}),
        opened(1, type="server_tool_use", id="s", name="web_search", input={}),
        *(added(1, type="input_json_delta", partial_json=piece) for piece in ('{"n":1.', "50}")),
        opened(2, **found),
        opened(3, type="compaction", content=None) + added(3, type="compaction_delta", **compacted),
        ended("end_turn", context_management={"applied_edits": []}),
        STOP,
    )
    message = json.loads(reply.body)
    assert message["content"] == [
        {"type": "text", "text": "x", "citations": [{"cited_text": "a"}, {"cited_text": "b"}]},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"n": 1.5}},
        found,
        {"type": "compaction", **compacted},
    ]
    assert b'{"n":1.50}' in reply.body
    assert message["usage"] == {"input_tokens": 3, "output_tokens": 5}
    assert message["context_management"] == {"applied_edits": []}


def test_many_citations_are_gathered_at_once() -> None:
    """The loop stands still meanwhile: 40,000 citations took five seconds."""
    cited = added(0, type="citations_delta", citation={"cited_text": "a"})
    body = b"".join([START, opened(0, type="text", text="x"), *[cited] * 40_000, STOP])
    began = time.process_time()
    message = gathered(body)
    assert time.process_time() - began < 1.0
    assert message is not None
    assert len(json.loads(message)["content"][0]["citations"]) == 40_000


async def test_events_that_say_that_nothing_is_wrong_are_no_errors(gateway: Gateway, script: Script) -> None:
    """An event is not the answer because it has an empty `error` beside what it tells."""
    start = START.replace(b'{"type":"message_start"', b'{"type":"message_start","error":null')
    reply = await asked_whole(gateway, script, start, opened(0, type="text", text="hi"), ended("end_turn"), STOP)
    assert json.loads(reply.body)["content"] == [{"type": "text", "text": "hi"}]


async def test_a_call_that_was_cut_off_is_left_out(gateway: Gateway, script: Script) -> None:
    """Its input is no JSON, and a message whose text was whole is not lost for it."""
    cut_off = opened(1, type="tool_use", id="t", name="a", input={})
    cut_off += added(1, type="input_json_delta", partial_json='{"path": "/tm')
    text = opened(0, type="text", text="hi")
    reply = await asked_whole(gateway, script, START, text, cut_off, ended("max_tokens"), STOP)
    message = json.loads(reply.body)
    assert message["content"] == [{"type": "text", "text": "hi"}]
    assert message["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("before", [b"", START], ids=["at once", "later"])
async def test_an_error_in_the_stream_is_the_answer(gateway: Gateway, script: Script, before: bytes) -> None:
    """With Anthropic's type and words, under the status that goes with them."""
    reply = await asked_whole(gateway, script, before, anthropic.event(anthropic.error("no", type="overloaded_error")))
    assert reply.status == 529
    assert json.loads(reply.body)["error"] == {"type": "overloaded_error", "message": "no"}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(START + ended("end_turn"), id="without its end"),
        pytest.param(STOP, id="nothing but an end"),
        pytest.param(START + b"data: what?\n\n" + STOP, id="unreadable"),
    ],
)
async def test_a_stream_that_makes_no_message_is_an_error(gateway: Gateway, script: Script, events: bytes) -> None:
    """No message is made up where part of it is missing."""
    reply = await asked_whole(gateway, script, events)
    assert (reply.status, json.loads(reply.body)["error"]["type"]) == (502, "api_error")
