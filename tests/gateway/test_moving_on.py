"""One conversation that several upstreams answer in turn, or one that does not know its own earlier turns."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Credential, Provider
from llm_to_anthropic.scripted import (
    Answer,
    Line,
    Script,
    ScriptedUpstream,
    ToolCall,
    openai_chat,
    openai_responses,
    stream,
    whole,
)
from llm_to_anthropic.scripted import anthropic as claude
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.foreign_turns import mend_for
from tests.gateway.memory_reply import ask, call, reply_to
from tests.messages import sdk_message
from tests.translators.gemini_answers import chunk

TOOLS = [{"name": "look", "input_schema": {"type": "object"}}]
MODELS = ["openai/gpt-4o", "responses/gpt-5.1", "gemini/gemini-3-pro"]
STREAMED = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


def calling(model: str, id: str, *, streamed: bool) -> Answer:
    """An answer that calls a tool under this id."""
    line = Line(calls=(ToolCall("look", "{}", id),))
    match model.partition("/")[0]:
        case "gemini":
            part = {"functionCall": {"id": id, "name": "look", "args": {}}}
            return stream(chunk(part, finish="STOP"))
        case "responses":
            made = openai_responses
            return stream(*made.events(line, "m")) if streamed else whole(made.response(line, "m"))
        case _:
            return stream(*openai_chat.chunks(line, "m")) if streamed else whole(openai_chat.completion(line, "m"))


def turns(*ids: str, last: str = "go on") -> list[dict[str, object]]:
    """A conversation in which the tool was called under these ids."""
    messages: list[dict[str, object]] = [{"role": "user", "content": "hi"}]
    for id in ids:
        result = {"type": "tool_result", "tool_use_id": id, "content": "seen"}
        messages.append({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "look", "input": {}}]})
        messages.append({"role": "user", "content": [result]})
    messages.append({"role": "user", "content": last})
    return messages


@STREAMED
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("last", ["go on", " "], ids=["sound", "mended"])
async def test_an_id_that_an_earlier_call_has_is_not_given_twice(
    gateway: Gateway, script: Script, model: str, last: str, *, streamed: bool
) -> None:
    """Servers that number the calls of each answer anew (`call_0`) do not make clients take one call for another."""
    script.push(calling(model, "call_0", streamed=streamed))
    reply = await reply_to(
        gateway, call(ask(model, stream=streamed, tools=TOOLS, messages=turns("call_0", "call_1", last=last)))
    )
    (block,) = [one for one in sdk_message(reply.body, stream=streamed)["content"] if one["type"] == "tool_use"]
    assert block["id"] not in ("call_0", "call_1")


@STREAMED
@pytest.mark.parametrize("model", MODELS)
async def test_an_id_that_no_other_call_has_stays(
    gateway: Gateway, script: Script, model: str, *, streamed: bool
) -> None:
    """The upstream's own id comes back to it with the result."""
    script.push(calling(model, "call_7", streamed=streamed))
    reply = await reply_to(gateway, call(ask(model, stream=streamed, tools=TOOLS, messages=turns("call_0"))))
    assert "call_7" in [one.get("id") for one in sdk_message(reply.body, stream=streamed)["content"]]


NO_THINKING = (
    "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is "
    "enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` "
    "and `tool_result` blocks)."
)
MANUAL = {"type": "enabled", "budget_tokens": 1024}
CLEARS_THINKING = {"type": "clear_thinking_20251015", "keep": "all"}
CLEARS_RESULTS = {"type": "clear_tool_uses_20250919"}


def refused(words: str) -> Answer:
    return whole(claude.error(words), status=400)


def said(words: str, *, streamed: bool) -> Answer:
    line = Line(text=words)
    return stream(*claude.events(line, "m")) if streamed else whole(claude.message(line, "m"))


@STREAMED
async def test_claude_goes_on_with_a_turn_that_another_model_began(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, *, streamed: bool
) -> None:
    """Where Claude insists on its own thinking before calls that a fallback made, it is asked not to think."""
    script.push(refused(NO_THINKING), said("done", streamed=streamed))
    asked = ask("anthropic/claude-haiku-4-5", stream=streamed, tools=TOOLS, messages=turns("call_0"), thinking=MANUAL)
    edits = {"context_management": {"edits": [CLEARS_THINKING, CLEARS_RESULTS], "more": 1}}
    reply = await reply_to(gateway, call(asked | edits))
    assert sdk_message(reply.body, stream=streamed)["content"][0]["text"] == "done"
    first, second = (json.loads(request.body) for request in upstream.requests)
    assert first["thinking"] == MANUAL
    changed = {"thinking": {"type": "disabled"}, "context_management": {"edits": [CLEARS_RESULTS], "more": 1}}
    assert second == first | changed
    assert (reply.headers[b"x-proxy-losses"], reply.headers[b"x-upstream-attempts"]) == (b"thinking", b"2")


UNREADABLE = "messages.1.content.0: Invalid `signature` in `thinking` block"


def thought(signature: str) -> dict[str, object]:
    return {"type": "thinking", "thinking": "hm", "signature": signature}


@STREAMED
async def test_claude_goes_on_with_a_conversation_that_others_of_its_protocol_thought_in(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, *, streamed: bool
) -> None:
    """Thoughts that another server signed (a relay, another vendor or cloud) are left out once they are refused."""
    script.push(refused(UNREADABLE), refused(NO_THINKING), said("done", streamed=streamed))
    said_first = {"type": "text", "text": "so"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    question, calling, *rest = turns("call_0")
    (made,) = msgspec.convert(calling["content"], list[object])
    history = [
        question,
        {"role": "assistant", "content": [thought("a"), said_first, hidden]},
        question,
        {"role": "assistant", "content": [thought("b"), made]},
        *rest,
    ]
    asked = ask("anthropic/claude-haiku-4-5", stream=streamed, messages=history, thinking=MANUAL)
    reply = await reply_to(gateway, call(asked))
    assert sdk_message(reply.body, stream=streamed)["content"][0]["text"] == "done"
    first, second, third = (json.loads(request.body) for request in upstream.requests)
    bare = [question, {"role": "assistant", "content": [said_first]}, question, calling, *rest]
    assert (first["messages"], second["messages"], third["messages"]) == (history, bare, bare)
    assert (second["thinking"], third["thinking"]) == (MANUAL, {"type": "disabled"})
    assert reply.headers[b"x-proxy-losses"] == b"messages, thinking"


@pytest.mark.parametrize(
    ("thinking", "words", "headers"),
    [
        pytest.param({"type": "adaptive"}, NO_THINKING, {}, id="the model decides"),
        pytest.param(MANUAL, "thinking.budget_tokens: too small", {}, id="another refusal"),
        pytest.param(MANUAL, UNREADABLE, {}, id="no thoughts"),
        pytest.param(MANUAL, NO_THINKING, {"x-proxy-strict": "true"}, id="nothing may be lost"),
    ],
)
async def test_other_refusals_of_claude_are_the_clients(
    gateway: Gateway, script: Script, thinking: object, words: str, headers: dict[str, str]
) -> None:
    """What thinking is not the matter of, or may not be mended without a word, is told as Anthropic says it."""
    script.push(refused(words), said("asked again", streamed=False))
    asked = ask("anthropic/claude-haiku-4-5", tools=TOOLS, messages=turns("call_0"), thinking=thinking)
    reply = await reply_to(gateway, call(asked, headers=headers))
    assert (reply.status, json.loads(reply.body)["error"]["message"]) == (400, words)


@STREAMED
@pytest.mark.parametrize(
    ("first_id", "second_id", "words"),
    [
        ("look.0:0", "look.1:0", "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"),
        ("call_0", "call_0", "messages.3.content.0: `tool_use` ids must be unique"),
    ],
    ids=["odd", "double"],
)
async def test_claude_goes_on_with_calls_that_others_numbered(
    gateway: Gateway,
    script: Script,
    upstream: ScriptedUpstream,
    *,
    first_id: str,
    second_id: str,
    words: str,
    streamed: bool,
) -> None:
    """Ids that Anthropic refuses are exchanged, of a call and its result alike, and the same way in each turn."""
    model, begun = "anthropic/claude-haiku-4-5", turns(first_id, second_id)
    for history in (begun, [*begun, {"role": "assistant", "content": "so"}, {"role": "user", "content": "on"}]):
        script.push(refused(words), said("done", streamed=streamed))
        reply = await reply_to(gateway, call(ask(model, stream=streamed, messages=history)))
        assert sdk_message(reply.body, stream=streamed)["content"][0]["text"] == "done"
        assert b"x-proxy-losses" not in reply.headers
    _, sent, _, later = (json.loads(request.body)["messages"] for request in upstream.requests)
    assert later[: len(sent)] == sent
    made = [message["content"][0]["id"] for message in sent if message["role"] == "assistant"]
    answered = [message["content"][0]["tool_use_id"] for message in sent[2:5:2]]
    assert made == answered
    assert len(set(made)) == 2
    assert all(re.fullmatch("[A-Za-z0-9_-]+", id) for id in made)


@STREAMED
@pytest.mark.parametrize(
    "words",
    [
        "The `content[].thinking` in the thinking mode must be passed back to the API.",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
    ],
    ids=["DeepSeek", "Kimi"],
)
async def test_servers_that_want_a_thought_before_each_call_get_one(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, words: str, *, streamed: bool
) -> None:
    """Calls that another model made, or whose thoughts the client dropped, do not end the conversation there."""
    error = whole({"error": {"message": words, "type": "invalid_request_error"}}, status=400)
    script.push(error, said("done", streamed=streamed))
    own = {"role": "assistant", "content": [thought("a"), {"type": "tool_use", "id": "b", "name": "look", "input": {}}]}
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b"}]}
    begun = turns("call_0")[:3]
    history = [*begun, {"role": "assistant", "content": "so"}, {"role": "user", "content": "on"}, own, answer]
    (made,) = msgspec.convert(begun[1]["content"], list[object])
    sealed = thought(encode_carrier(Carrier(vendor="o")))
    asked = [begun[0], {"role": "assistant", "content": [sealed, made]}, *history[2:]]
    reply = await reply_to(gateway, call(ask("anthropic/deepseek-x", stream=streamed, messages=asked)))
    assert sdk_message(reply.body, stream=streamed)["content"][0]["text"] == "done"
    first, second = (json.loads(request.body)["messages"] for request in upstream.requests)
    assert first == history
    filled = {"type": "thinking", "thinking": " ", "signature": ""}
    assert second[1]["content"] == [filled, *first[1]["content"]]
    assert second[:1] + second[2:] == first[:1] + first[2:]


ROLE = {"type": "literal_error", "loc": ["body", "messages", 1, "role"], "msg": "Input should be 'user' or 'assistant'"}
NO_SYSTEM = pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"error": {"message": "messages[1].role: unknown variant `system`, expected `user` or `assistant`"}}),
        (400, claude.error("messages[1].role must be either 'user' or 'assistant', but got 'system'")),
        (422, {"detail": [ROLE]}),
        (400, claude.error("invalid params, chat content has invalid message role: system (2013)")),
        (400, claude.error("Invalid discriminator value. Expected 'user' | 'assistant'")),
        (400, claude.error('[{"received": "system", "code": "invalid_enum_value", "path": ["messages", 1, "role"]}]')),
        (500, claude.error("Jinja Exception: System message must be at the beginning.")),
    ],
    ids=["DeepSeek, Qwen", "another", "GLM, vLLM", "MiniMax", "LM Studio", "zod", "llama.cpp"],
)


def text(words: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": words, **more}


@STREAMED
@NO_SYSTEM
async def test_servers_that_know_no_system_messages_within_a_conversation_get_reminders(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, *, status: int, error: object, streamed: bool
) -> None:
    """Claude Code sends them wherever it is sent to, and knows Anthropic's words alone for a server that takes none."""
    script.push(whole(error, status=status), said("done", streamed=streamed))
    mark = {"cache_control": {"type": "ephemeral"}}
    history: list[dict[str, object]] = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": [text("one"), text("two", **mark)]},
        {"role": "system", "content": []},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": [text("go on")]},
        {"role": "system", "content": "three"},
    ]
    reply = await reply_to(gateway, call(ask("anthropic/deepseek-x", stream=streamed, messages=history)))
    assert sdk_message(reply.body, stream=streamed)["content"][0]["text"] == "done"
    assert b"x-proxy-losses" not in reply.headers
    first, second = (json.loads(request.body) for request in upstream.requests)
    assert first["messages"] == history
    assert second == first | {
        "messages": [
            {"role": "user", "content": [text("<system-reminder>\nbe kind\n</system-reminder>")]},
            {
                "role": "user",
                "content": [text("hi"), text("<system-reminder>\none\n\ntwo\n</system-reminder>", **mark)],
            },
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": [text("go on"), text("<system-reminder>\nthree\n</system-reminder>")]},
        ]
    }


@pytest.mark.parametrize(
    ("words", "system"),
    [
        ("role 'system' is not supported on this model", {"role": "system", "content": "be kind"}),
        ("messages[0].role: unknown variant `system`", {"role": "user", "content": "be kind"}),
        ("messages[0].role: unknown variant `system`", {"role": "system", "content": [{"type": "tool_removal"}]}),
        ("messages[0].role: unknown variant `system`", {"role": "system", "content": "x", "clear_at": "never"}),
    ],
    ids=["Anthropic", "none there", "tools", "another field"],
)
async def test_system_messages_that_are_more_than_words_stay_refused(
    gateway: Gateway, script: Script, words: str, system: object
) -> None:
    """Claude Code knows what to do about Anthropic's words; what would be lost is no answer's price."""
    script.push(refused(words), said("asked again", streamed=False))
    asked = ask("anthropic/deepseek-x", system="x", messages=[{"role": "user", "content": "hi"}, system])
    reply = await reply_to(gateway, call(asked))
    assert (reply.status, json.loads(reply.body)["error"]["message"]) == (400, words)


EXTRA = "Extra inputs are not permitted"
MARK: dict[str, object] = {"type": "ephemeral", "ttl": "1h", "scope": "global"}
PLAIN: dict[str, object] = {"type": "ephemeral"}


def marked(mark: object) -> dict[str, object]:
    """A request with this cache breakpoint wherever one can be, and with a tool's input that looks like one."""
    more = {} if mark is None else {"cache_control": mark}
    use = {"type": "tool_use", "id": "a", "name": "look", "input": {"cache_control": MARK}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [text("so", **more)], **more}
    return {
        "system": [text("s", **more)],
        "messages": [
            {"role": "user", "content": [text("hi", **more), text("1.0")]},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object", "cache_control": MARK}, **more}],
    }


def extras(**more: object) -> dict[str, object]:
    return {
        "tools": [{"name": "look", "input_schema": {"type": "object"}, **more}, {"name": "see", "input_schema": {}}]
    }


FIELDS = [
    (f"messages.0.content.0.text.cache_control.ephemeral.ttl: {EXTRA}", marked(MARK), marked(PLAIN), b""),
    (f"system.0.cache_control.ephemeral.scope: {EXTRA}", marked(MARK), marked(PLAIN), b""),
    ("`cache_control.ttl: 1h` is not supported", marked(MARK), marked(PLAIN), b""),
    (f"tools.0.cache_control: {EXTRA}", marked(PLAIN), marked(None), b""),
    (f"cache_control: {EXTRA}", {"cache_control": PLAIN, **marked(PLAIN)}, marked(PLAIN), b""),
    (f"context_management: {EXTRA}", {"context_management": {"edits": []}}, {}, b"context_management"),
    (f"output_config: {EXTRA}", {"output_config": {"effort": "low"}}, {}, b"output_config.effort"),
    (
        f"output_config.effort: {EXTRA}",
        {"output_config": {"effort": "low", "task_budget": 1}},
        {"output_config": {"task_budget": 1}},
        b"output_config.effort",
    ),
    (
        "该模型始终思考\uff0c不支持关闭思考",
        {"thinking": {"type": "disabled"}, "output_config": {"task_budget": 1}},
        {"output_config": {"task_budget": 1, "effort": "low"}},
        b"thinking",
    ),
    (
        "invalid thinking: only type=enabled is allowed for this model",
        {"thinking": {"type": "disabled"}},
        {"output_config": {"effort": "low"}},
        b"thinking",
    ),
    (
        "Validation: `thinking.type` must be `enabled` or `disabled`",
        {"thinking": {"type": "adaptive"}},
        {},
        b"thinking",
    ),
    (f"tools.0.custom.defer_loading: {EXTRA}", extras(defer_loading=True), extras(), b"tools[].defer_loading"),
    (f"tools.3.custom.input_examples: {EXTRA}", extras(input_examples=[{}]), extras(), b"tools[].input_examples"),
    (f"tools.0.strict: {EXTRA}", extras(strict=True), extras(), b"tools[].strict"),
]


@STREAMED
@pytest.mark.parametrize(("words", "asked", "sent", "lost"), FIELDS, ids=[words for words, *_ in FIELDS])
async def test_fields_that_a_relay_does_not_know_are_left_out(
    gateway: Gateway,
    script: Script,
    upstream: ScriptedUpstream,
    *,
    words: str,
    asked: dict[str, object],
    sent: dict[str, object],
    lost: bytes,
    streamed: bool,
) -> None:
    """Claude Code sends a relay what it would send to Anthropic, and every request would be refused."""
    script.push(refused(words), said("done", streamed=streamed))
    plain = ask("anthropic/claude-haiku-4-5", stream=streamed)
    reply = await reply_to(gateway, call(plain | asked))
    assert sdk_message(reply.body, stream=streamed)["content"][0]["text"] == "done"
    first, second = (json.loads(request.body) for request in upstream.requests)
    assert first == first | asked
    assert second == {name: value for name, value in first.items() if name not in asked} | sent
    assert reply.headers.get(b"x-proxy-losses", b"") == lost


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (f"metadata.team: {EXTRA}", {"metadata": {"team": "x"}}),
        (f"thinking: {EXTRA}", {"thinking": {"type": "adaptive"}}),
        (f"context_management: {EXTRA}", {}),
        (f"output_config: {EXTRA}", {"output_config": {"format": {"type": "json_schema", "schema": {}}}}),
        (f"tools.0.strict: {EXTRA}", {"tools": {"strict": True}}),
        (f"cache_control.ttl: {EXTRA}", {"cache_control": 1}),
        ("invalid thinking: only type=enabled is allowed for this model", {"thinking": {"type": "adaptive"}}),
        ("invalid thinking: only type=enabled is allowed for this model", {"thinking": "off"}),
    ],
)
async def test_other_fields_that_are_refused_are_the_clients(
    gateway: Gateway, script: Script, upstream: ScriptedUpstream, words: str, asked: dict[str, object]
) -> None:
    """What Claude Code heeds by itself, what no answer is worth, and what is not there."""
    script.push(refused(words), said("asked again", streamed=False))
    reply = await reply_to(gateway, call(ask("anthropic/claude-haiku-4-5") | asked))
    assert (reply.status, json.loads(reply.body)["error"]["message"], len(upstream.requests)) == (400, words, 1)


def test_fields_that_anthropic_refuses_are_the_clients() -> None:
    """Who forgets the beta of a field is told so, as by Anthropic itself."""
    refusal = UpstreamError(400, f"context_management: {EXTRA}")
    of_relay = Provider(name="r", protocol="anthropic", base_url="https://relay.test", credential=Credential())
    itself = msgspec.structs.replace(of_relay, base_url="https://api.anthropic.com")
    assert mend_for(refusal, of_relay) is not None
    assert mend_for(refusal, itself) is None


SESSION = {"x-claude-code-session-id": "one"}
CLAUDE = "anthropic/claude-haiku-4-5"
BAD_ID = "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
NO_THOUGHTS = (
    "2 validation errors:\n  {'type': 'literal_error', 'loc': ('body', 'messages', 1, 'content', 0, 'type'), "
    "'msg': \"Input should be 'text', 'image', 'tool_use' or 'tool_result'\", 'input': 'thinking'}"
)
BY_ANOTHER: list[dict[str, object]] = [
    *turns()[:1],
    {"role": "assistant", "content": [thought("a"), {"type": "text", "text": "so"}]},
]


async def asked_again(gateway: Gateway, history: list[dict[str, object]], headers: dict[str, str]) -> str:
    """How often the upstream was asked for this turn, and what was lost of it."""
    asked = ask(CLAUDE, tools=TOOLS, messages=history, thinking=MANUAL)
    reply = await reply_to(gateway, call(asked, headers=headers))
    return f"{reply.headers[b'x-upstream-attempts'].decode()} {reply.headers.get(b'x-proxy-losses', b'').decode()}"


def later(history: list[dict[str, object]]) -> list[dict[str, object]]:
    """The next turn of a conversation."""
    return [*history, {"role": "assistant", "content": "done"}, {"role": "user", "content": "and now?"}]


@pytest.mark.parametrize(
    ("words", "history", "lost"),
    [
        (BAD_ID, turns("look.0:0"), ""),
        (UNREADABLE, [*BY_ANOTHER, *turns()], "messages"),
        (NO_THOUGHTS, [*BY_ANOTHER, *turns()], "messages"),
        ("The `content[].thinking` in the thinking mode must be passed back to the API.", turns("call_0"), ""),
    ],
    ids=["ids", "thoughts", "thoughts of an old vLLM", "missing thoughts"],
)
async def test_a_mended_conversation_is_refused_once(
    gateway: Gateway,
    script: Script,
    upstream: ScriptedUpstream,
    *,
    words: str,
    history: list[dict[str, object]],
    lost: str,
) -> None:
    """The next turns of a session's conversation are sent as the refused one was accepted, and their losses told."""
    script.push(refused(words), *(said("done", streamed=False) for _ in range(3)))
    assert await asked_again(gateway, history, SESSION) == f"2 {lost}"
    assert await asked_again(gateway, later(history), SESSION) == f"1 {lost}"
    assert await asked_again(gateway, later(later(history)), SESSION) == f"1 {lost}"
    _, *sent = (json.loads(request.body)["messages"] for request in upstream.requests)
    assert sent[2][: len(sent[1])] == sent[1]
    assert sent[1][: len(sent[0])] == sent[0]


@pytest.mark.parametrize(
    ("headers", "first"),
    [({}, "hi"), ({"x-claude-code-session-id": "two"}, "hi"), (SESSION, "a summary of what was said before")],
    ids=["no session", "another session", "another conversation"],
)
async def test_other_conversations_are_not_mended(
    gateway: Gateway, script: Script, headers: dict[str, str], first: str
) -> None:
    """What one conversation needed is done to no other, nor to what a compaction makes of it."""
    script.push(refused(UNREADABLE), *(said("done", streamed=False) for _ in range(2)))
    await asked_again(gateway, [*BY_ANOTHER, *turns()], SESSION if headers else {})
    other: list[dict[str, object]] = [{"role": "user", "content": first}, BY_ANOTHER[1], *turns()]
    assert await asked_again(gateway, other, headers) == "1 "


async def test_thinking_is_off_for_one_turn_alone(gateway: Gateway, script: Script) -> None:
    """A turn that another model began ends, and the next one thinks again."""
    script.push(refused(NO_THINKING), *(said("done", streamed=False) for _ in range(2)))
    assert await asked_again(gateway, turns("call_0"), SESSION) == "2 thinking"
    assert await asked_again(gateway, later(turns("call_0")), SESSION) == "1 "


async def test_a_mend_that_is_refused_is_forgotten(gateway: Gateway, script: Script) -> None:
    """Where a conversation is refused as it was accepted before, its next turn is sent as its client wrote it."""
    history = [*BY_ANOTHER, *turns()]
    script.push(refused(UNREADABLE), said("done", streamed=False), refused("no"), said("done", streamed=False))
    for told in ("2 messages", "1 messages", "1 "):
        assert await asked_again(gateway, history, SESSION) == told


async def test_a_strict_client_loses_nothing_to_an_earlier_turn(gateway: Gateway, script: Script) -> None:
    """What may not be lost is sent, whatever was left out of the turn before."""
    script.push(refused(UNREADABLE), *(said("done", streamed=False) for _ in range(2)))
    await asked_again(gateway, [*BY_ANOTHER, *turns()], SESSION)
    assert await asked_again(gateway, [*BY_ANOTHER, *turns()], SESSION | {"x-proxy-strict": "true"}) == "1 "


@pytest.mark.parametrize("messages", ["nothing", None, [], {}])
async def test_odd_messages_of_a_mended_session_are_the_upstreams_to_refuse(
    gateway: Gateway, script: Script, messages: object
) -> None:
    """Where a session's conversation was mended before, a request without messages gets the upstream's own refusal."""
    script.push(refused(UNREADABLE), said("done", streamed=False), refused("messages: Input should be a valid array"))
    await asked_again(gateway, [*BY_ANOTHER, *turns()], SESSION)
    odd = call(ask(CLAUDE), headers=SESSION)
    odd.body = json.dumps({"model": CLAUDE, "max_tokens": 5, "messages": messages}).encode()
    reply = await reply_to(gateway, odd)
    assert (reply.status, b"Input should be a valid array" in reply.body) == (400, True)
