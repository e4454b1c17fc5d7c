"""What becomes of the fields of a request on their way to OpenAI Responses."""

from __future__ import annotations

import hashlib

import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.openai_responses.request import SHORT_ANSWER_TOKENS
from tests.translators.responses_requests import (
    LOCAL,
    MODEL,
    OFFICIAL,
    PLAIN,
    Json,
    counted,
    encoded,
    items,
    lost,
    upstream,
)

SCHEMA = {
    "type": "object",
    "properties": {"at": {"type": "string"}},
    "required": ["at"],
    "additionalProperties": False,
}
OPTIONAL = {"type": "object", "properties": {"at": {"type": "string"}}}


def test_every_request_stands_for_itself() -> None:
    """Nothing is kept at the upstream or looked up there, nothing is cut, and the answer comes in events."""
    made = upstream({"stream": True})
    assert made["model"] == MODEL
    assert made["input"] == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
    assert (made["store"], made["truncation"], made["stream"]) == (False, "disabled", True)
    assert made["stream_options"] == {"include_obfuscation": False}
    assert made["include"] == ["reasoning.encrypted_content"]
    assert not {"previous_response_id", "conversation", "background", "user", "metadata"} & made.keys()


@pytest.mark.parametrize(
    "request_",
    [
        {"max_tokens": SHORT_ANSWER_TOKENS + 1},
        {"max_tokens": 16, "stream": True},
        {"max_tokens": 16, "stop_sequences": ["END"]},
        {"max_tokens": 16, "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    ],
    ids=["long", "streamed", "stopped here", "run by the upstream"],
)
def test_what_may_take_long_comes_in_events(request_: Json) -> None:
    """The upstream streams even where the client waits: long reasoning outlives every idle time on the way."""
    assert upstream(request_)["stream"] is True


def test_a_short_answer_to_a_client_that_waits_comes_whole() -> None:
    """Events that nobody sees cost both sides time; what is short is there before any proxy loses patience."""
    made = upstream({"max_tokens": SHORT_ANSWER_TOKENS})
    assert not {"stream", "stream_options"} & made.keys()
    assert upstream({"max_tokens": 16}, streams="always")["stream"] is True


def test_a_model_that_does_not_stream_answers_at_once() -> None:
    """It is asked for no events, whatever the client wants."""
    made = upstream({"stream": True}, "o1-pro")
    assert not {"stream", "stream_options"} & made.keys()


def test_nothing_is_sent_that_was_not_asked_for() -> None:
    """A plain request has no temperature, tools, instructions, reasoning or format."""
    absent = {"temperature", "top_p", "tools", "tool_choice", "instructions", "reasoning", "text", "service_tier"}
    assert not absent & upstream({}).keys()


@pytest.mark.parametrize(
    ("asked", "sent"), [(1, 16), (15, 16), (16, 16), (1000, 1000), (128_000, 128_000), (500_000, 128_000)]
)
def test_a_quota_probe_of_one_token_is_no_error(asked: int, sent: int) -> None:
    """The most tokens are at least 16, as the upstream demands, and at most what the model gives."""
    done = encoded({"max_tokens": asked})
    assert upstream({"max_tokens": asked})["max_output_tokens"] == sent
    assert ("max_tokens" in lost(done)) == (asked != sent)
    assert encoded({"max_tokens": asked}, strict=True).body == done.body


def test_a_model_gives_no_more_tokens_than_it_can() -> None:
    """What a model gives at most is asked for where the client asks for more."""
    assert upstream({"max_tokens": 64_000}, PLAIN)["max_output_tokens"] == 32_768
    assert upstream({"max_tokens": 64_000}, max_output=500)["max_output_tokens"] == 500


def test_no_tokens_are_asked_of_nobody() -> None:
    """`max_tokens: 0` needs no upstream."""
    assert encoded({"max_tokens": 0}).encoding.wants_nothing
    assert not encoded({}).encoding.wants_nothing


def test_a_system_prompt_is_the_instructions() -> None:
    """Blocks are parted by blank lines, and Claude Code's attribution is left out."""
    blocks = [{"type": "text", "text": text} for text in ("x-anthropic-billing-header: v=1", "Be brief.", "Be kind.")]
    assert upstream({"system": blocks})["instructions"] == "Be brief.\n\nBe kind."
    assert upstream({"system": "Be brief."})["instructions"] == "Be brief."


@pytest.mark.parametrize(
    ("model", "rest", "sent"),
    [
        (MODEL, {}, False),
        (MODEL, {"output_config": {"effort": "high"}}, False),
        ("gpt-5.1", {"thinking": {"type": "disabled"}}, True),
        (PLAIN, {}, True),
    ],
)
def test_temperature_is_for_models_that_do_not_reason(model: str, rest: Json, *, sent: bool) -> None:
    """A temperature of zero reaches a model that takes it, and is told as lost for any other."""
    request = {"temperature": 0, "top_p": 0.5} | rest
    made = upstream(request, model)
    assert (made.get("temperature"), made.get("top_p")) == ((0, 0.5) if sent else (None, None))
    assert ("temperature" in lost(encoded(request, model))) == (not sent)


def test_a_temperature_of_one_is_no_loss() -> None:
    """What a reasoning model does by itself need not be told."""
    assert lost(encoded({"temperature": 1, "top_p": 1})) == []


def test_top_k_is_a_loss() -> None:
    """The upstream has no such field."""
    assert lost(encoded({"top_k": 40}, PLAIN)) == ["top_k"]
    with pytest.raises(ClientError, match="top_k"):
        encoded({"top_k": 40}, PLAIN, strict=True)


def test_stop_sequences_are_matched_here() -> None:
    """Any number of them is taken, and none is sent."""
    stops = list("abcdef")
    assert encoded({"stop_sequences": stops}).encoding.stop_sequences == tuple(stops)
    assert "stop" not in upstream({"stop_sequences": stops})


@pytest.mark.parametrize(
    ("model", "request_", "expected"),
    [
        (MODEL, {}, None),
        (MODEL, {"thinking": {"type": "adaptive"}}, {"summary": "auto"}),
        (MODEL, {"thinking": {"type": "adaptive", "display": "omitted"}}, None),
        (MODEL, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"effort": "low", "summary": "auto"}),
        (MODEL, {"thinking": {"type": "enabled", "budget_tokens": 16000}}, {"effort": "medium", "summary": "auto"}),
        (MODEL, {"thinking": {"type": "enabled", "budget_tokens": 20000}}, {"effort": "high", "summary": "auto"}),
        (MODEL, {"thinking": {"type": "enabled", "budget_tokens": 64000}}, {"effort": "xhigh", "summary": "auto"}),
        (MODEL, {"output_config": {"effort": "max"}}, {"effort": "max"}),
        ("gpt-5.2", {"output_config": {"effort": "max"}}, {"effort": "xhigh"}),
        ("gpt-5.1", {"output_config": {"effort": "max"}}, {"effort": "high"}),
        ("o3", {"output_config": {"effort": "xhigh"}}, {"effort": "high"}),
        ("gpt-5.1", {"thinking": {"type": "disabled"}}, {"effort": "none"}),
        ("gpt-5", {"thinking": {"type": "disabled"}}, {"effort": "minimal"}),
        ("o3", {"thinking": {"type": "between_tools"}}, {"effort": "low"}),
        (MODEL, {"thinking": {"type": "disabled"}}, {"effort": "low"}),
        ("gpt-5.1", {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, {"effort": "none"}),
        (PLAIN, {"thinking": {"type": "enabled", "budget_tokens": 9000}}, None),
        (PLAIN, {"thinking": {"type": "disabled"}}, None),
    ],
)
def test_thinking_becomes_an_effort_that_the_model_has(model: str, request_: Json, expected: Json) -> None:
    """Off, effort, budget and nothing at all become the nearest effort; a summary is asked for to be shown."""
    assert upstream(request_, model).get("reasoning") == expected
    assert encoded(request_, model).encoding.reasoning_effort == (expected or {}).get("effort")


def test_an_effort_within_the_conversation_is_the_last_word() -> None:
    """What a system message sets of the effort holds for the request."""
    turns = [
        {"role": "user", "content": "a"},
        {"role": "system", "content": [], "output_config": {"effort": "low"}},
    ]
    assert upstream({"messages": turns, "output_config": {"effort": "high"}})["reasoning"] == {"effort": "low"}


@pytest.mark.parametrize(
    ("thinking", "said"),
    [
        (None, "default"),
        ({"type": "adaptive"}, "on"),
        ({"type": "enabled", "budget_tokens": 2000, "display": "omitted"}, "omitted"),
        ({"type": "disabled"}, "off"),
        ({"type": "between_tools"}, "off"),
    ],
)
def test_what_the_client_says_of_thinking_is_known_to_the_answer(thinking: Json, said: str) -> None:
    """Whether it is shown, unseen, off or not spoken of decides what its answer holds."""
    assert encoded({"thinking": thinking} if thinking else {}).encoding.thinking == said


def test_thinking_that_cannot_be_had_is_told() -> None:
    """A budget for a model without reasoning, and reasoning that goes on all the same, are among the losses."""
    assert lost(encoded({"thinking": {"type": "enabled", "budget_tokens": 9000}}, PLAIN)) == ["thinking"]
    assert lost(encoded({"output_config": {"effort": "low"}}, PLAIN)) == ["output_config.effort"]
    assert lost(encoded({"thinking": {"type": "disabled"}}, "gpt-5-pro")) == ["thinking"]
    assert lost(encoded({"thinking": {"type": "disabled"}}, "o3")) == ["thinking"]
    assert lost(encoded({"thinking": {"type": "adaptive"}}, summaries=False)) == ["thinking"]
    assert lost(encoded({"thinking": {"type": "disabled"}}, PLAIN)) == []


@pytest.mark.parametrize(
    ("model", "server", "request_", "sent"),
    [
        ("o3", OFFICIAL, {"thinking": {"type": "disabled"}}, 4096),
        ("gpt-5", OFFICIAL, {"thinking": {"type": "disabled"}}, 4096),
        ("gpt-5.1", OFFICIAL, {"thinking": {"type": "disabled"}}, 64),
        ("o3", OFFICIAL, {}, 64),
        ("o3", OFFICIAL, {"thinking": {"type": "adaptive"}}, 64),
        ("grok-4", LOCAL, {"thinking": {"type": "disabled"}}, 4096),
        (PLAIN, OFFICIAL, {"thinking": {"type": "disabled"}}, 64),
    ],
)
def test_reasoning_that_nobody_wants_does_not_use_up_the_text(
    model: str, server: str, request_: Json, sent: int
) -> None:
    """A model that reasons though its client said no has room for that beside the text, which stays as short."""
    asked = {"max_tokens": 64} | request_
    assert upstream(asked, model, server)["max_output_tokens"] == sent
    assert encoded(asked, model, server).encoding.most_visible == (64 if sent > 64 else 0)


def test_a_plain_model_is_asked_for_no_encrypted_reasoning() -> None:
    """A model that does not reason refuses to be asked for it."""
    assert "include" not in upstream({}, PLAIN)


@pytest.mark.parametrize("field", ["output_format", "output_config"])
def test_structured_output_has_a_flat_format(field: str) -> None:
    """Both spellings give the same schema, strict where it is closed as it is."""
    wanted = {"type": "json_schema", "schema": SCHEMA}
    request = {field: wanted if field == "output_format" else {"format": wanted}}
    assert upstream(request)["text"] == {
        "format": {"type": "json_schema", "name": "output", "schema": SCHEMA, "strict": True}
    }


def test_an_open_schema_is_not_enforced() -> None:
    """A schema that only closes with nulls for what is absent stays open: the answer travels as text."""
    request = {"output_format": {"type": "json_schema", "schema": OPTIONAL}}
    assert upstream(request)["text"]["format"] == {
        "type": "json_schema",
        "name": "output",
        "schema": OPTIONAL,
        "strict": False,
    }


def test_where_only_json_is_known_the_schema_is_told_in_words() -> None:
    """A server without schemas is asked for JSON, and the instructions hold the schema."""
    request = {"output_format": {"type": "json_schema", "schema": SCHEMA}, "system": "Be brief."}
    made = upstream(request, response_format="json_object")
    assert made["text"] == {"format": {"type": "json_object"}}
    assert made["instructions"].startswith("Be brief.\n\n")
    assert '"at"' in made["instructions"]


def test_an_unknown_format_is_a_loss() -> None:
    """A format that is not known here is left out and told."""
    assert lost(encoded({"output_format": {"type": "xml"}})) == ["output_format"]


def test_a_user_is_told_apart_but_not_named() -> None:
    """The user id travels as its hash, to OpenAI alone."""
    request = {"metadata": {"user_id": "me@example.com"}}
    assert upstream(request)["safety_identifier"] == hashlib.sha256(b"me@example.com").hexdigest()
    assert "safety_identifier" not in upstream(request, PLAIN, LOCAL)


def test_requests_of_a_session_share_a_cache() -> None:
    """The key is the session's, else that of prompt and tools; a compatible server gets none."""
    one, other = ({"system": text, "messages": [{"role": "user", "content": text}]} for text in "ab")
    assert len(upstream(one)["prompt_cache_key"]) == 64
    assert upstream(one)["prompt_cache_key"] != upstream(other)["prompt_cache_key"]
    keys = {upstream(each, session_id="s")["prompt_cache_key"] for each in (one, other)}
    assert len(keys) == 1
    assert "prompt_cache_key" not in upstream(one, PLAIN, LOCAL)


@pytest.mark.parametrize(("asked", "sent"), [("auto", "auto"), ("standard_only", "default"), (None, None)])
def test_service_tiers_have_other_names(asked: str | None, sent: str | None) -> None:
    """Anthropic's tiers are mapped; where the server has none, a tier other than the default is a loss."""
    request = {"service_tier": asked} if asked else {}
    assert upstream(request).get("service_tier") == sent
    assert ("service_tier" in lost(encoded(request, PLAIN, LOCAL))) == (asked == "standard_only")


@pytest.mark.parametrize(
    ("request_", "paths"),
    [
        ({"speed": "fast"}, ["speed"]),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, []),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, ["context_management"]),
        ({"container": "container_1"}, ["container"]),
        ({"output_config": {"task_budget": {"type": "tokens", "total": 9}}}, ["output_config.task_budget"]),
        ({"output_config": {"effort": "ultra"}}, ["output_config.effort"]),
        ({"output_config": {"effort": "max"}}, []),
        ({"inference_geo": "eu", "fallbacks": [{"model": "x"}], "diagnostics": {}}, []),
        ({"brand_new": 1}, ["brand_new"]),
        ({"cache_control": {"type": "ephemeral"}}, []),
    ],
)
def test_what_has_no_counterpart_is_told_where_it_matters(request_: Json, paths: list[str]) -> None:
    """Such fields fail no request; those whose absence may change the answer are named."""
    assert lost(encoded(request_)) == paths


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"compaction": {"type": "auto"}}, "compaction is not supported for model 'claude-x'"),
        ({"container": {"skills": [{"type": "anthropic", "skill_id": "pdf"}]}}, "container.skills"),
        ({"thread": {"id": "t"}}, "threads are not supported"),
    ],
)
def test_what_would_mislead_is_refused(request_: Json, message: str) -> None:
    """What a client waits for and cannot have is refused by name."""
    with pytest.raises(ClientError, match=message):
        encoded(request_)


def test_a_compatible_server_gets_nothing_of_openais_own() -> None:
    """Fields that only OpenAI's account knows are not sent elsewhere."""
    made = upstream({"metadata": {"user_id": "u"}, "service_tier": "auto"}, "qwen3", LOCAL)
    assert made.keys() == {"model", "input", "truncation", "max_output_tokens", "store"}


def test_a_prefill_is_sent_and_known_to_the_answer() -> None:
    """The words that the client puts into the assistant's mouth are sent, to be taken out of the answer."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]
    assert items(*turns)[-1] == {"type": "message", "role": "assistant", "content": "{"}
    assert encoded({"messages": turns}).encoding.prefill == "{"
    assert encoded({}).encoding.prefill == ""


def test_the_same_request_gives_the_same_bytes() -> None:
    """A retry sends what was sent before."""
    request = {"system": "s", "tools": [{"name": "f", "input_schema": OPTIONAL}], "metadata": {"user_id": "u"}}
    assert encoded(request).body == encoded(request).body


def test_counting_sends_what_makes_tokens() -> None:
    """The count is of the same prompt, without the settings of answer and account."""
    request = {
        "system": "s",
        "temperature": 1,
        "metadata": {"user_id": "u"},
        "thinking": {"type": "adaptive"},
        "tools": [{"name": "f", "input_schema": OPTIONAL}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "output_format": {"type": "json_schema", "schema": SCHEMA},
    }
    made, whole = counted(request), upstream(request)
    fields = {"model", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"}
    assert made.keys() == fields | {"truncation"}
    assert made == {name: whole[name] for name in made}
