"""Requests as Chat Completions takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.openai_chat.encoding import ChatEncoding
from tests.translators.chat_answers import collected, delta, usage
from tests.translators.chat_requests import (
    OPENAI,
    REASONING,
    assistant,
    encoded,
    image,
    lost,
    paired,
    text,
    tool,
    upstream,
    user,
)

Json = Any
MARK = {"type": "ephemeral", "ttl": "1h"}
SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"


def test_a_string_means_the_same_as_one_block() -> None:
    """Content as a string and as a list of one text block gives the same bytes."""
    blocks = [{"role": "user", "content": [text("hi")]}]
    assert encoded({"system": "s"}).body == encoded({"system": [text("s")], "messages": blocks}).body


def test_encoding_is_repeatable() -> None:
    """The same request gives the same bytes, so that retries and fallbacks can encode again."""
    request = {"tools": [tool("a" * 70, strict=True)], "metadata": {"user_id": "u"}}
    assert encoded(request, OPENAI) == encoded(request, OPENAI)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_tokens_has_the_servers_name(field: Json) -> None:
    """The upstream's own field carries max_tokens, and only that one."""
    done = upstream({"max_tokens": 7}, ChatQuirks(max_tokens_field=field))
    assert {key: done[key] for key in done if "tokens" in key} == {field: 7}


def test_max_tokens_above_the_models_most_is_lowered() -> None:
    """Clients send 64000 for every model: it is lowered and told, also in strict mode, which does not refuse it."""
    done = encoded({"max_tokens": 64000}, max_output=16384, strict=True)
    assert msgspec.json.decode(done.body)["max_tokens"] == 16384
    assert lost(done) == ["max_tokens"]


def test_a_model_that_streams_alone_is_asked_for_a_stream() -> None:
    """A client that wants the answer whole gets it put together."""
    done = upstream({}, ChatQuirks(stream_always=True))
    assert (done["stream"], done["stream_options"]) == (True, {"include_usage": True})
    assert "stream" not in upstream({})
    chunks = (delta(reasoning_content="Hm."), delta("stop", content="Hi"), usage())
    whole = collected(*chunks, quirks=ChatQuirks(stream_always=True))
    assert [block["type"] for block in whole["content"]] == ["thinking", "text"]


def test_streams_ask_for_usage() -> None:
    """A stream asks for its usage and against padding, where the server knows these options."""
    done = upstream({"stream": True}, OPENAI)
    assert (done["stream"], done["stream_options"]) == (True, {"include_usage": True, "include_obfuscation": False})
    assert upstream({"stream": True})["stream_options"] == {"include_usage": True}
    assert "stream_options" not in upstream({"stream": True}, ChatQuirks(stream_options=False))
    assert "stream_options" not in upstream({}, OPENAI)


@pytest.mark.parametrize(("count", "sent"), [(2, True), (4, True), (5, False)], ids=["two", "four", "five"])
def test_stop_sequences_are_sent_as_far_as_allowed_and_matched_here(count: int, *, sent: bool) -> None:
    """All stop sequences are matched in the answer, for which it is streamed; few enough are sent along."""
    stops = [f"s{n}" for n in range(count)]
    done = encoded({"stop_sequences": stops})
    assert done.encoding.stop_sequences == tuple(stops)
    body = msgspec.json.decode(done.body)
    assert (body["stream"], body.get("stop")) == (True, stops if sent else None)


@pytest.mark.parametrize(
    ("more", "quirks"),
    [
        ({}, ChatQuirks(reasons=True)),
        ({}, ChatQuirks(efforts=("low", "high"))),
        ({}, ChatQuirks(think_tags=True)),
        ({}, ChatQuirks(reasoning="enable_thinking")),
        ({}, ChatQuirks(reasoning_history="reasoning_content")),
        ({"tools": [{"name": "a", "input_schema": {}}]}, ChatQuirks()),
    ],
    ids=["reasons", "efforts", "tags", "switch", "history", "tools"],
)
def test_stop_sequences_stay_here_where_the_model_writes_more_than_text(more: Json, quirks: ChatQuirks) -> None:
    """Only visible text is matched: vLLM and SGLang would end the answer at one in its thoughts or in a call."""
    done = encoded({"stop_sequences": ["\n\n"]} | more, quirks)
    assert done.encoding.stop_sequences == ("\n\n",)
    assert "stop" not in msgspec.json.decode(done.body)


def test_zero_is_a_temperature() -> None:
    """A temperature of 0 is not the same as none."""
    assert upstream({"temperature": 0})["temperature"] == 0


def test_sampling_is_left_out_for_reasoning_models_and_reported() -> None:
    """Reasoning models refuse sampling parameters: they are dropped and told, but for their default."""
    done = encoded({"temperature": 0, "top_p": 1}, REASONING)
    assert not {"temperature", "top_p"} & set(msgspec.json.decode(done.body))
    assert lost(done) == ["temperature"]


def test_top_k_is_sent_by_quirk_and_reported_otherwise() -> None:
    """Servers that know top_k get it."""
    assert upstream({"top_k": 40}, ChatQuirks(top_k=True))["top_k"] == 40
    assert lost(encoded({"top_k": 40})) == ["top_k"]


def test_account_fields_go_to_openai_only() -> None:
    """Tier, user hash, cache key and store are OpenAI's; other servers get none of them."""
    request = {"service_tier": "standard_only", "metadata": {"user_id": "user-42"}}
    done = upstream(request, OPENAI)
    assert (done["service_tier"], done["store"]) == ("default", False)
    assert len(done["safety_identifier"]) == len(done["prompt_cache_key"]) == 64
    assert b"user-42" not in encoded(request, OPENAI).body
    assert set(upstream(request)) == {"model", "messages", "max_tokens"}


def test_the_cache_key_follows_the_session() -> None:
    """One session has one cache key; without one it follows system prompt and tools."""

    def key(request: Json, session_id: str = "") -> str:
        found: str = msgspec.json.decode(encoded(request, OPENAI, session_id=session_id).body)["prompt_cache_key"]
        return found

    assert key({"system": "a"}, "s") == key({"system": "b"}, "s")
    assert key({"system": "a"}) != key({"system": "b"})
    assert key({"system": "a"}) != key({"system": "a", "tools": [tool()]})


CHOICES: list[tuple[Json, Json]] = [
    ({"type": "auto"}, "auto"),
    ({"type": "any"}, "required"),
    ({"type": "none"}, "none"),
    ({"type": "tool", "name": "look"}, {"type": "function", "function": {"name": "look"}}),
]


@pytest.mark.parametrize(("choice", "sent"), CHOICES, ids=[row[0]["type"] for row in CHOICES])
def test_tool_choices_are_mapped(choice: Json, sent: Json) -> None:
    """Every kind of tool choice has its counterpart, and the tools stay."""
    done = upstream({"tools": [tool()], "tool_choice": choice})
    assert (done["tool_choice"], len(done["tools"])) == (sent, 1)


def test_parallel_calls_can_be_turned_off() -> None:
    """One call at a time is asked of the upstream where it knows the field, and kept here in any case."""
    request = {"tools": [tool()], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    assert upstream(request)["parallel_tool_calls"] is False
    other = encoded(request, ChatQuirks(parallel_tool_calls=False))
    assert b"parallel_tool_calls" not in other.body
    assert other.encoding.single_call


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_formats_become_response_formats(place: str) -> None:
    """Structured output has the same upstream schema from either spelling."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    form = {"type": "json_schema", "schema": schema}
    done = upstream({place: {"format": form} if place == "output_config" else form})
    assert done["response_format"]["json_schema"] == {
        "name": "output",
        "strict": True,
        "schema": {**schema, "additionalProperties": False},
    }


def test_a_format_with_optional_keys_stays_open() -> None:
    """Nulls cannot be taken out of a text, so a schema with optional properties is not closed."""
    form = {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
    done = upstream({"output_format": form}, OPENAI)["response_format"]["json_schema"]
    assert (done["strict"], done["schema"]) == (False, form["schema"])


def test_servers_without_schemas_get_them_in_the_prompt() -> None:
    """Where only `json_object` is known, the system prompt tells the schema."""
    form = {"type": "json_schema", "schema": {"type": "object", "properties": {"colour": {}}}}
    for system in ("Be kind.", None):
        done = upstream({"output_format": form, "system": system}, ChatQuirks(response_format="json_object"))
        assert done["response_format"] == {"type": "json_object"}
        assert done["messages"][0]["role"] == "system"
        assert '"colour"' in done["messages"][0]["content"]


def test_a_schema_is_told_alone_where_a_server_refuses_the_field() -> None:
    """Qwen has no JSON mode while it thinks: the prompt tells the schema."""
    form = {"type": "json_schema", "schema": {"type": "object", "properties": {"colour": {}}}}
    done = upstream({"output_format": form}, ChatQuirks(response_format="prompt"))
    assert "response_format" not in done
    assert '"colour"' in done["messages"][0]["content"]


def test_a_schema_beside_tools_is_told_where_a_server_takes_but_one_of_them() -> None:
    """Groq takes no `response_format` with tools: there the prompt tells the schema."""
    form = {"type": "json_schema", "schema": {"type": "object", "properties": {"colour": {}}}}
    quirks = ChatQuirks(schema_with_tools=False)
    tools = [{"name": "t", "input_schema": {"type": "object"}}]
    done = upstream({"output_format": form, "tools": tools}, quirks)
    assert "response_format" not in done
    assert '"colour"' in done["messages"][0]["content"]
    assert "response_format" in upstream({"output_format": form}, quirks)


@pytest.mark.parametrize(
    ("choice", "sent", "losses"),
    [
        ({"type": "auto"}, None, []),
        ({"type": "none"}, "none", []),
        ({"type": "any"}, None, ["tool_choice"]),
        ({"type": "tool", "name": "look"}, None, ["tool_choice"]),
    ],
    ids=["auto", "none", "any", "one"],
)
def test_a_model_that_cannot_be_made_to_call_decides_itself(choice: Json, sent: str | None, losses: list[str]) -> None:
    """A choice that a server refuses is left to the model, which is told; that no tool is called it is told still."""
    request = {"tools": [tool()], "tool_choice": choice | {"disable_parallel_tool_use": True}}
    done = encoded(request, ChatQuirks(tool_choice="auto"))
    made = msgspec.json.decode(done.body)
    assert (made.get("tool_choice"), lost(done)) == (sent, losses)
    assert len(made["tools"]) == 1


@pytest.mark.parametrize(
    ("choice", "tools", "losses"),
    [("none", 0, []), ("auto", 1, []), ("any", 1, ["tool_choice"])],
)
def test_no_tool_is_called_where_the_server_reads_no_choice(choice: str, tools: int, losses: list[str]) -> None:
    """A server that has models call tools all the same (Ollama) is told of none, where none is to be called."""
    done = encoded({"tools": [tool()], "tool_choice": {"type": choice}}, ChatQuirks(tool_choice="ignored"))
    made = msgspec.json.decode(done.body)
    assert (len(made.get("tools", [])), lost(done)) == (tools, losses)
    assert "tool_choice" not in made


def test_one_tool_alone_is_declared_where_none_can_be_named() -> None:
    """Where any tool can be asked for, but none by its name, the model gets no other to choose from."""
    quirks, tools = ChatQuirks(tool_choice="required"), [tool("look"), tool("listen")]
    one = upstream({"tools": tools, "tool_choice": {"type": "tool", "name": "listen"}}, quirks)
    assert one["tool_choice"] == "required"
    assert [each["function"]["name"] for each in one["tools"]] == ["listen"]
    for kind, sent in (("any", "required"), ("auto", "auto"), ("none", "none")):
        other = upstream({"tools": tools, "tool_choice": {"type": kind}}, quirks)
        assert (other["tool_choice"], len(other["tools"])) == (sent, 2)


LOSSES: list[tuple[str, Json, list[str]]] = [
    ("context edits", {"context_management": {"edits": [{"type": "compact_20260112"}]}}, ["context_management"]),
    ("cleared thinking", {"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, []),
    ("unknown edits", {"context_management": "all"}, ["context_management"]),
    ("task budget", {"output_config": {"task_budget": {"type": "tokens"}}}, ["output_config.task_budget"]),
    ("container", {"container": "container_1"}, ["container"]),
    ("fast", {"speed": "fast"}, ["speed"]),
    ("tier", {"service_tier": "standard_only"}, ["service_tier"]),
    ("effort", {"output_config": {"effort": "low"}}, ["output_config.effort"]),
    ("unknown effort", {"output_config": {"effort": "ultra"}}, ["output_config.effort"]),
    ("unknown thinking", {"thinking": {"type": "deep"}}, ["thinking"]),
    ("known thinking", {"thinking": {"type": "between_tools"}}, []),
    ("budget", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, ["thinking"]),
    ("unknown format", {"output_format": {"type": "xml"}}, ["output_format"]),
    ("harmless", {"cache_control": MARK, "metadata": {"user_id": "u"}, "service_tier": "auto", "speed": None}, []),
    ("adaptive", {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "high"}}, []),
]


@pytest.mark.parametrize(("request_", "paths"), [row[1:] for row in LOSSES], ids=[row[0] for row in LOSSES])
def test_losses_are_reported(request_: Json, paths: list[str]) -> None:
    """What may matter to the answer and cannot be sent is named; what is harmless is not."""
    assert lost(encoded(request_)) == paths


@pytest.mark.parametrize("strict", [False, True], ids=["as usual", "strict"])
def test_unknown_fields_are_told(strict: bool) -> None:
    """A field that is newer than this version is left out and told; it never fails a request, not even a strict one."""
    new = {"shiny": {"a": 1}, "absent": None, "diagnostics": {"previous_message_id": None}, "tags": ["x"]}
    assert lost(encoded(new, strict=strict)) == ["shiny"]
    assert not {"shiny", "diagnostics", "tags"} & set(upstream(new))


def test_strict_mode_names_every_loss() -> None:
    """A strict request that cannot be carried over whole is refused with all its losses."""
    with pytest.raises(ClientError, match=r"top_k: .*speed: |speed: .*top_k: ") as caught:
        encoded({"top_k": 1, "speed": "fast"}, strict=True)
    assert caught.value.status == 400


NO_DIRECT: Json = {
    "tools": [tool("a"), tool("b", allowed_callers=["code_execution"])],
    "tool_choice": {"type": "tool", "name": "b"},
}
FOREIGN = [assistant({"type": "thinking", "thinking": "x", "signature": "foreign"})]
UNSUPPORTED: list[tuple[str, Json, str]] = [
    ("mcp_servers", {"mcp_servers": [{"type": "url"}]}, "mcp_servers is not supported for model 'claude-x'"),
    ("compaction", {"compaction": {"type": "summarize"}}, "compaction is not supported for model 'claude-x'"),
    ("skills", {"container": {"skills": [{"skill_id": "x"}]}}, "container.skills: skills are not supported"),
    ("malformed skills", {"container": {"skills": 5}}, "container.skills: skills are not supported"),
    ("chosen tool cannot be called", NO_DIRECT, "tool_choice: tool 'b' is not among the tools"),
    ("nothing to say", {"messages": FOREIGN}, "messages: no message has any content for this model"),
    ("safeguards", {"safeguards": {}}, "safeguards is not supported"),
    ("empty stop sequence", {"stop_sequences": [""]}, "stop_sequences: each stop sequence must be non-empty"),
    ("prewarm streamed", {"max_tokens": 0, "stream": True}, "max_tokens: 0 cannot be combined with stream"),
    (
        "prewarm with thinking",
        {"max_tokens": 0, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        "max_tokens: 0 cannot be combined with thinking",
    ),
]


@pytest.mark.parametrize(("request_", "message"), [row[1:] for row in UNSUPPORTED], ids=[row[0] for row in UNSUPPORTED])
def test_what_no_upstream_can_do_is_refused(request_: Json, message: str) -> None:
    """A request whose meaning would be lost is refused, naming the field."""
    with pytest.raises(ClientError) as caught:
        encoded(request_)
    assert message in caught.value.message


def test_threads_are_refused_so_that_the_sdk_goes_on() -> None:
    """The error's details make Anthropic's SDK send the whole conversation instead."""
    with pytest.raises(ClientError, match="thread") as caught:
        encoded({"thread": {"type": "create"}})
    assert caught.value.details == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


@pytest.mark.parametrize("field", ["temperature", "top_p", "top_k"])
def test_the_new_api_version_has_no_sampling_in_strict_mode(field: str) -> None:
    """Version 2026-10-21 has no sampling parameters: strict mode refuses them, else they travel as in the old one."""
    encoded({field: 1}, api_version="2026-10-21")
    with pytest.raises(ClientError, match=f"^{field}: "):
        encoded({field: 1}, api_version="2026-10-21", strict=True)


@pytest.mark.parametrize("field", ["mcp_servers", "thread", "container", "compaction"])
def test_null_in_place_of_what_is_refused_is_fine(field: str) -> None:
    """A field given as null is absent."""
    assert encoded({field: None}).encoding.losses == ()


def test_deep_nesting_is_refused() -> None:
    """A schema that is nested without end is refused as the client's mistake."""
    schema: Json = {"type": "array"}
    for _ in range(400):
        schema = {"type": "object", "properties": {"a": schema}}
    body = {"tools": [tool(input_schema=schema)]}
    with pytest.raises(ClientError, match="nested more than 64 deep"):
        encoded(body)


def test_a_merged_choice_at_a_schemas_root_is_reported() -> None:
    """A tool whose schema is a choice at its root loses that choice."""
    schema = {"type": "object", "anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}
    assert lost(encoded({"tools": [tool(input_schema=schema)]})) == ["tools[0].input_schema"]


def test_media_do_not_count_as_text() -> None:
    """The estimate of a request's tokens goes by its text, not by the base64 of its images."""
    small = encoded({"messages": [user(text("x"), image("A" * 8))]})
    large = encoded({"messages": [user(text("x"), image("A" * 80_000))]})
    assert abs(large.input_bytes - small.input_bytes) < 10


def recorded() -> list[Json]:
    paths = sorted((SHARED / "traffic" / "anthropic").glob("*.json"))
    bodies = [json.loads(path.read_text()).get("request", {}).get("body") for path in paths]
    return [body for body in bodies if isinstance(body, dict) and isinstance(body.get("messages"), list)]


def encoded_or_none(body: Json) -> Encoded[ChatEncoding] | None:
    try:
        return encoded(body, OPENAI)
    except ClientError:
        return None


def test_recorded_requests_are_translated_or_refused() -> None:
    """Every recorded request gives a request whose calls pair up, or a clear error."""
    bodies = recorded()
    if not bodies:
        pytest.skip("no recorded requests beside the checkout (../shared/traffic)")
    translated = [done for body in bodies if (done := encoded_or_none(body)) is not None]
    assert all(paired(msgspec.json.decode(done.body)["messages"]) for done in translated)
    assert len(translated) > len(bodies) / 2
