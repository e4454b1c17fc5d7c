"""Large requests that are passed through: what surrounds their messages is read once, and the bytes are as ever."""

from __future__ import annotations

import msgspec
import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.scripted import Script, ScriptedUpstream, whole
from llm_to_anthropic.translators.anthropic import replace_known_model, replace_model
from llm_to_anthropic.translators.memory.surroundings import MIN_BYTES, KnownSurroundings
from tests.gateway.memory_reply import MemoryReply, call, reply_to

MESSAGE = (
    b'{"type":"message","model":"claude-x","content":[],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":3,"output_tokens":1}}'
)
LONG = b'"system":"%b"' % (b"What stands around the messages. " * (MIN_BYTES // 30))
TURNS = (
    b'[{"role":"user","content":"hi"}]',
    b'[{"role":"user","content":"\\"model\\":\\"claude-mine\\" \\u00e9 1.50"}]',
)
BODIES = {
    "model first": b'{"model":"claude-mine",%b,"messages":%b,"max_tokens":1e1}',
    "model last": b'{%b,"messages":%b , "max_tokens":1e1, "model" : "claude-mine" }',
    "another model before": b'{"metadata":{"model":"claude-mine"},%b,"model":"claude-mine","messages":%b}',
    "another model after": b'{%b,"messages":%b,"model":"claude-mine","tools":[{"model":"claude-mine"}]}',
    "two models": b'{"model":"claude-else",%b,"messages":%b,"model":"claude-mine"}',
}


@pytest.mark.parametrize("form", BODIES.values(), ids=BODIES)
async def test_a_large_request_keeps_its_bytes_each_time(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, form: bytes
) -> None:
    """Of a large request nothing but its model changes, however often its surroundings have come before."""
    bodies = [form % (LONG, turn) for turn in TURNS] * 3
    for body in bodies:
        script.push(whole(MESSAGE))
        await gateway.messages(call(body), MemoryReply())
    told = [replace_model(body, "claude-real") for body in bodies]
    assert [request.body for request in upstream.requests] == told
    assert all(body.count(b"claude-real") == 1 for body in told)


@pytest.mark.parametrize(
    "messages",
    [b"[1,", b'[],"messages":[', b"[]]", b"[" * 5000, b"", b'[],"model":"claude-dear","x":[]}'],
    ids=["cut", "open", "closed twice", "deep", "nothing", "ended before"],
)
async def test_a_broken_large_request_is_refused_each_time(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, messages: bytes
) -> None:
    """What is no JSON between known surroundings is refused in the words of a fresh start."""
    form = BODIES["model first"]
    for _ in range(3):
        script.push(whole(MESSAGE))
        await gateway.messages(call(form % (LONG, TURNS[0])), MemoryReply())
    reply = await reply_to(gateway, call(form % (LONG, messages)))
    assert reply.status == 400
    assert b"invalid_request_error" in reply.body
    assert len(upstream.requests) == 3


async def test_a_second_model_between_known_surroundings_counts(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """A model named once more behind the messages is the one that is asked, as if nothing were known."""
    form = BODIES["model first"]
    for turn in (TURNS[0], TURNS[0], TURNS[0], TURNS[0] + b',"model":"claude-x","x":[]'):
        script.push(whole(MESSAGE))
        await gateway.messages(call(form % (LONG, turn)), MemoryReply())
    assert msgspec.json.decode(upstream.requests[-1].body)["model"] == "claude-x"


def test_surroundings_are_known_from_the_second_time() -> None:
    """What comes once is not worth a place; what came twice is found, and renamed once for each model."""
    known, body = KnownSurroundings(), BODIES["model last"] % (LONG, TURNS[0])
    known.see(body, "", TURNS[0])
    assert known.find(body, "") is None
    known.see(body, "", TURNS[0])
    found = known.find(body, "")
    assert found is not None
    for _ in range(2):
        assert replace_known_model(body, found, "claude-real") == replace_model(body, "claude-real")
    assert list(found.renamed) == ["claude-real"]
