"""Requests as Gemini takes them: everything but the conversation."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from tests.translators.chat_requests import assistant, call, image, result, text, tool, user
from tests.translators.gemini_requests import NEW, OLD, SEARCH, counted, encoded, lost, upstream

Json = Any
SHARED = Path(__file__).resolve().parents[2] / ".." / "shared"
TOO_DEEP = "The request holds a part that is nested too deeply."
HI_USER = user(text("hi"))
FORMAT = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"const": 1}}}}}


def test_encoding_is_repeatable() -> None:
    """The same request gives the same bytes, so that retries and fallbacks can encode again."""
    request = {"tools": [tool("a" * 70)], "system": "s", "thinking": {"type": "adaptive"}}
    assert encoded(request, NEW) == encoded(request, NEW)


def test_a_string_means_the_same_as_one_block() -> None:
    """Content as a string and as a list of one text block gives the same bytes."""
    blocks = [{"role": "user", "content": [text("hi")]}]
    assert encoded({"system": "s"}).body == encoded({"system": [text("s")], "messages": blocks}).body


def test_the_system_prompt_is_an_instruction_without_role() -> None:
    """Each text is a part, and Claude Code's attribution is left out."""
    system = [text("x-anthropic-billing-header: cc_version=1;"), text("first"), text("second")]
    assert upstream({"system": system})["systemInstruction"] == {"parts": [{"text": "first"}, {"text": "second"}]}
    assert "systemInstruction" not in upstream({})


def test_the_limit_is_lowered_to_the_models_most() -> None:
    """Clients send more than a model gives: it is lowered and told, also in strict mode, which does not refuse it."""
    done = encoded({"max_tokens": 128_000}, strict=True)
    assert done.encoding.max_tokens == 65536
    assert msgspec.json.decode(done.body)["generationConfig"]["maxOutputTokens"] == 65536
    assert lost(done) == ["max_tokens"]


def test_the_limit_is_lowered_to_the_servers_most() -> None:
    """Vertex AI takes one token less than the page of gemini-2.5-flash-lite says: the lower of both limits counts."""
    done = encoded({"max_tokens": 128_000}, "gemini-2.5-flash-lite", backend="vertex", max_output=65535)
    assert msgspec.json.decode(done.body)["generationConfig"]["maxOutputTokens"] == 65535


def test_nothing_wanted_sets_no_limit() -> None:
    """max_tokens 0 is answered here; Google refuses a limit of 0."""
    assert "generationConfig" not in upstream({"max_tokens": 0}, "gemini-2.0-flash")


def test_sampling_is_passed_on() -> None:
    """Zero is a temperature, and top_k is known to Gemini."""
    config = upstream({"temperature": 0, "top_p": 0.5, "top_k": 7})["generationConfig"]
    assert (config["temperature"], config["topP"], config["topK"]) == (0.0, 0.5, 7)


def test_sampling_that_a_model_ignores_is_reported() -> None:
    """gemini-4 heeds no sampling parameters: they are left out and told, but for those that change nothing."""
    done = encoded({"temperature": 0.2, "top_p": 1, "top_k": 3}, "gemini-4-argon")
    assert lost(done) == ["temperature", "top_k"]
    assert set(msgspec.json.decode(done.body)["generationConfig"]) == {"maxOutputTokens"}


def test_stop_sequences_are_matched_here_alone() -> None:
    """Google's limits differ, and it does not tell which one matched: none is sent."""
    stops = [f"s{n}" for n in range(9)]
    done = encoded({"stop_sequences": stops})
    assert done.encoding.stop_sequences == tuple(stops)
    assert b"stopSequences" not in done.body


def test_filters_are_switched_off() -> None:
    """Work on security trips Google's filters, which Claude does not have: all four are off unless configured."""
    settings = upstream({})["safetySettings"]
    assert [each["threshold"] for each in settings] == ["BLOCK_NONE"] * 4
    configured = upstream({}, safety_threshold="BLOCK_ONLY_HIGH")["safetySettings"]
    assert configured[0] == {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}


@pytest.mark.parametrize(
    ("model", "request_", "expected"),
    [
        (OLD, {}, None),
        (NEW, {}, None),
        ("gemini-2.0-flash", {"thinking": {"type": "adaptive"}}, None),
        (OLD, {"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinking": {"type": "disabled"}}, {"thinkingBudget": 128}),
        ("gemini-3-flash", {"thinking": {"type": "between_tools"}}, {"thinkingLevel": "MINIMAL"}),
        (NEW, {"thinking": {"type": "disabled"}}, {"thinkingLevel": "LOW"}),
        (OLD, {"thinking": {"type": "adaptive"}}, {"includeThoughts": True, "thinkingBudget": -1}),
        (NEW, {"thinking": {"type": "adaptive"}}, {"includeThoughts": True}),
        (NEW, {"thinking": {"type": "adaptive", "display": "omitted"}}, None),
        (
            OLD,
            {"thinking": {"type": "enabled", "budget_tokens": 31999}},
            {"includeThoughts": True, "thinkingBudget": 24576},
        ),
        (
            "gemini-2.5-flash-lite",
            {"thinking": {"type": "enabled", "budget_tokens": 100}},
            {"includeThoughts": True, "thinkingBudget": 512},
        ),
        (
            NEW,
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"includeThoughts": True, "thinkingLevel": "LOW"},
        ),
        (
            "gemini-3.1-pro",
            {"thinking": {"type": "enabled", "budget_tokens": 8000}},
            {"includeThoughts": True, "thinkingLevel": "MEDIUM"},
        ),
        (
            NEW,
            {"thinking": {"type": "enabled", "budget_tokens": 8000}},
            {"includeThoughts": True, "thinkingLevel": "HIGH"},
        ),
        (OLD, {"output_config": {"effort": "low"}}, {"thinkingBudget": 1024}),
        (OLD, {"output_config": {"effort": "medium"}}, {"thinkingBudget": 8192}),
        ("gemini-2.5-pro", {"output_config": {"effort": "high"}}, {"thinkingBudget": 32768}),
        (OLD, {"output_config": {"effort": "max"}}, {"thinkingBudget": 24576}),
        (NEW, {"output_config": {"effort": "medium"}}, {"thinkingLevel": "HIGH"}),
        ("gemini-4-argon", {"output_config": {"effort": "max"}}, {"thinkingLevel": "HIGH"}),
        (OLD, {"max_tokens": 10}, {"thinkingBudget": 0}),
        (NEW, {"max_tokens": 255}, {"thinkingLevel": "LOW"}),
    ],
)
def test_thinking_is_asked_for_in_the_models_way(model: str, request_: Json, expected: Json) -> None:
    """Budget or level, never both; nothing where the client says nothing and there is room for an answer."""
    config = upstream(request_, model)["generationConfig"]
    assert config.get("thinkingConfig") == expected


def test_thoughts_are_shown_as_asked() -> None:
    """Thoughts are asked for where the client wants to see them, and the way back knows whether it wants none."""
    shown = encoded({"thinking": {"type": "adaptive"}}, NEW)
    omitted = encoded({"thinking": {"type": "adaptive", "display": "omitted"}}, NEW)
    off = encoded({"thinking": {"type": "disabled"}}, NEW)
    configs = [
        msgspec.json.decode(each.body)["generationConfig"].get("thinkingConfig", {}) for each in (shown, omitted, off)
    ]
    assert [config.get("includeThoughts", False) for config in configs] == [True, False, False]
    assert [each.encoding.reasoning_off for each in (shown, omitted, off)] == [False, False, True]


@pytest.mark.parametrize(
    ("model", "request_", "path"),
    [
        ("gemini-2.5-pro", {"thinking": {"type": "disabled"}}, "thinking"),
        (NEW, {"thinking": {"type": "adaptive"}, "max_tokens": 20}, "thinking"),
        ("gemini-2.0-flash", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking"),
        ("gemini-2.0-flash", {"output_config": {"effort": "low"}}, "output_config.effort"),
    ],
    ids=["always thinks", "no room", "never thinks", "no levels"],
)
def test_thinking_that_cannot_be_had_is_told(model: str, request_: Json, path: str) -> None:
    """What the model does instead of what was asked is among the losses."""
    assert lost(encoded(request_, model)) == [path]


@pytest.mark.parametrize(
    ("model", "request_", "sent"),
    [
        ("gemini-2.5-pro", {"thinking": {"type": "disabled"}}, 4096),
        ("gemini-3-pro", {"thinking": {"type": "disabled"}}, 4096),
        ("gemini-2.5-flash", {"thinking": {"type": "disabled"}}, 64),
        ("gemini-2.0-flash", {"thinking": {"type": "disabled"}}, 64),
        ("gemini-2.5-pro", {}, 64),
        ("gemini-2.5-pro", {"thinking": {"type": "adaptive"}}, 64),
    ],
)
def test_thoughts_that_nobody_wants_do_not_use_up_the_text(model: str, request_: Json, sent: int) -> None:
    """A model that thinks though its client said no has room for that beside the text, which stays as short."""
    done = encoded({"max_tokens": 64} | request_, model)
    assert msgspec.json.decode(done.body)["generationConfig"]["maxOutputTokens"] == sent
    assert done.encoding.most_visible == (64 if sent > 64 else 0)


def test_a_system_message_sets_the_effort() -> None:
    """The last effort of the conversation counts, not that of the request."""
    messages = [user(text("a")), {"role": "system", "content": "b", "output_config": {"effort": "low"}}]
    request = {"messages": messages, "output_config": {"effort": "high"}}
    assert upstream(request)["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 1024}


def test_tools_are_functions_of_one_tool() -> None:
    """Names, descriptions and schemas of all tools stand in one tool object, a name in place of a description."""
    tools = [tool("look", description="Looks."), tool("list")]
    functions = upstream({"tools": tools})["tools"][0]["functionDeclarations"]
    schema = {"type": "object", "properties": {"at": {"type": "string"}}}
    assert functions == [
        {"name": "look", "description": "Looks.", "parametersJsonSchema": schema},
        {"name": "list", "description": "list", "parametersJsonSchema": schema},
    ]


@pytest.mark.parametrize("schema", [{"type": "object"}, {"type": "object", "properties": {}}, {}])
def test_a_tool_without_properties_has_no_parameters(schema: Json) -> None:
    """An object without properties was refused by older models: such a tool is declared without a schema."""
    declared = upstream({"tools": [{"name": "ping", "input_schema": schema}]})["tools"][0]["functionDeclarations"]
    assert declared == [{"name": "ping", "description": "ping"}]


def test_older_models_get_the_subset() -> None:
    """Models that do not know JSON Schema get `parameters`, and the way back knows what came as text."""
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}}
    done = encoded({"tools": [{"name": "pick", "input_schema": schema}]}, "gemini-2.0-flash")
    declared = msgspec.json.decode(done.body)["tools"][0]["functionDeclarations"][0]
    assert declared["parameters"]["properties"]["n"] == {"type": "string", "enum": ["1", "2"]}
    assert "parametersJsonSchema" not in declared
    assert done.encoding.written_as_text == {"pick": schema}


@pytest.mark.parametrize(
    "name",
    ["1st", "-x", "read/file", "mcp__server__" + "x" * 80, "_" * 70],
    ids=["digit", "dash", "slash", "long", "bars"],
)
def test_names_are_made_legal_and_known_on_the_way_back(name: str) -> None:
    """Names begin with a letter or `_` and have at most 64 characters; declaration, call, result and choice agree."""
    conversation = [HI_USER, assistant(call("c", name)), user(result("c"))]
    choice = {"type": "tool", "name": name}
    done = encoded({"messages": conversation, "tools": [tool(name)], "tool_choice": choice})
    body = msgspec.json.decode(done.body)
    declared = body["tools"][0]["functionDeclarations"][0]["name"]
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", declared)
    assert done.encoding.tool_names == {declared: name}
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": [declared]}
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == declared
    assert body["contents"][2]["parts"][0]["functionResponse"]["name"] == declared


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ({"type": "auto"}, None),
        ({"type": "any"}, {"mode": "ANY"}),
        ({"type": "none"}, {"mode": "NONE"}),
        ({"type": "tool", "name": "look"}, {"mode": "ANY", "allowedFunctionNames": ["look"]}),
    ],
    ids=["absent", "auto", "any", "none", "tool"],
)
def test_the_choice_of_tools_is_a_mode(choice: Json, expected: Json) -> None:
    """All choices keep the declarations; `auto` is what Google does anyway."""
    done = upstream({"tools": [tool()]} | ({"tool_choice": choice} if choice else {}))
    assert done.get("toolConfig", {}).get("functionCallingConfig") == expected
    assert len(done["tools"]) == 1


def test_a_single_call_is_noted() -> None:
    """Google cannot be kept from parallel calls: the way back lets one pass."""
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert encoded({"tools": [tool()], "tool_choice": choice}).encoding.single_call


def test_a_tool_that_is_not_there_cannot_be_chosen() -> None:
    """A choice among no tools is refused before Google refuses it."""
    with pytest.raises(ClientError, match="tool_choice"):
        encoded({"tools": [SEARCH | {"type": "tool_search_tool_regex_20251119"}], "tool_choice": {"type": "any"}})


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_a_schema_of_the_answer_is_sent(field: str) -> None:
    """Both spellings give JSON by the cleaned schema."""
    request = {field: FORMAT if field == "output_config" else FORMAT["format"]}
    config = upstream(request)["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert config["responseJsonSchema"] == {"type": "object", "properties": {"n": {"enum": [1]}}}


def test_older_models_take_the_subset_for_answers() -> None:
    """`responseSchema` is the older field."""
    config = upstream({"output_config": FORMAT}, "gemini-2.0-flash")["generationConfig"]
    assert config["responseSchema"]["properties"] == {"n": {"type": "string", "enum": ["1"]}}


def test_a_schema_beside_tools_moves_to_the_prompt_on_older_models() -> None:
    """2.5 refuses both together: the schema is asked for in words, and told."""
    request = {"output_config": FORMAT, "tools": [tool()], "system": "s"}
    done = encoded(request)
    body = msgspec.json.decode(done.body)
    assert "responseMimeType" not in body["generationConfig"]
    assert '"const":1' in body["systemInstruction"]["parts"][-1]["text"]
    assert lost(done) == ["output_config.format"]
    assert "responseJsonSchema" in upstream(request, NEW)["generationConfig"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("mcp_servers", [{"name": "x"}]), ("thread", {"type": "create"}), ("compaction", {"a": 1})],
)
def test_what_cannot_be_translated_is_refused(field: str, value: Json) -> None:
    """Fields whose absence would change the meaning are refused by name."""
    with pytest.raises(ClientError, match=field):
        encoded({field: value})


@pytest.mark.parametrize("model", [OLD, NEW, "gemini-2.0-flash"])
def test_unknown_level_of_effort_is_told(model: str) -> None:
    """A level that is newer than this version is left out, and that is told, once."""
    assert lost(encoded({"output_config": {"effort": "ultra"}}, model)) == ["output_config.effort"]


def test_ordinary_fields_of_clients_are_no_losses() -> None:
    """Marks for caches, user ids and tiers that mean the default change no answer: strict mode takes them."""
    mark = {"type": "ephemeral"}
    request = {
        "system": [text("s") | {"cache_control": mark}],
        "metadata": {"user_id": "u" * 200},
        "service_tier": "auto",
        "tools": [tool(cache_control=mark)],
    }
    assert encoded(request, strict=True).encoding.losses == ()


@pytest.mark.parametrize("strict", [False, True], ids=["as usual", "strict"])
def test_unknown_fields_are_told(strict: bool) -> None:
    """A field that is newer than this version is left out and told; it never fails a request, not even a strict one."""
    losses = encoded({"shiny": {"a": 1}, "absent": None, "tags": ["x"]}, strict=strict).encoding.losses
    assert [loss.path for loss in losses] == ["shiny"]


def test_images_are_not_counted_as_text() -> None:
    """An estimate of tokens goes by text; base64 would be hundreds of times too much."""
    plain = encoded({"messages": [user(text("a"), image("AAAA"))]}).input_bytes
    large = encoded({"messages": [user(text("a"), image("A" * 40_000))]}).input_bytes
    assert plain == large


def test_counting_wraps_the_request_for_the_developer_api() -> None:
    """The Developer API counts system prompt and tools only inside a wrapper that names the model."""
    body = counted({"system": "s", "tools": [tool()], "thinking": {"type": "adaptive"}})
    inner = body["generateContentRequest"]
    assert list(body) == ["generateContentRequest"]
    assert inner["model"] == f"models/{OLD}"
    assert set(inner) == {"model", "contents", "systemInstruction", "tools"}


def test_counting_needs_no_wrapper_on_vertex() -> None:
    """Vertex AI takes the same fields as for an answer."""
    assert set(counted({"system": "s"}, backend="vertex")) == {"contents", "systemInstruction"}


def test_counting_an_image_needs_a_text() -> None:
    """Contents without text are refused by countTokens: a space is added."""
    inner = counted({"messages": [user(image())]})["generateContentRequest"]
    assert inner["contents"][0]["parts"][-1] == {"text": " "}


def refusal(request: Json) -> str:
    try:
        encoded(request)
    except ClientError as error:
        return error.message
    return ""


@pytest.mark.parametrize("depth", [500, 5000, 100_000])
@pytest.mark.parametrize("place", ["arguments", "schema", "answer"])
def test_deep_nesting_is_refused_or_carried(place: str, depth: int) -> None:
    """A part nested beyond reason is a client error or arrives: never a crash."""
    deep = Raw(b'{"items":' * depth + b"1" + b"}" * depth)
    requests: Json = {
        "arguments": {"messages": [HI_USER, assistant(call("c") | {"input": deep}), user(result("c"))]},
        "schema": {"tools": [{"name": "x", "input_schema": deep}]},
        "answer": {"output_config": {"format": {"type": "json_schema", "schema": deep}}},
    }
    told = refusal(requests[place])
    # Which limit comes first depends on how deep this Python reads.
    limits = ("nested more than 64 deep", "schemas of more than 8000 parts")
    assert told in ("", "The request body is nested too deeply.", TOO_DEEP) or any(limit in told for limit in limits)


@pytest.mark.parametrize("model", [OLD, NEW, "gemini-2.0-flash"])
def test_recorded_requests_encode(model: str) -> None:
    """Every recorded request of a real client encodes, or is refused with a reason."""
    recorded = sorted((SHARED / "traffic" / "anthropic").glob("*.json"))
    if not recorded:
        pytest.skip("no recorded traffic beside the checkout")
    count = 0
    for file in recorded:
        body = (json.loads(file.read_text()).get("request") or {}).get("body")
        if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
            continue
        try:
            done = encoded(body, model)
        except ClientError:
            continue
        count += 1
        sent = msgspec.json.decode(done.body)["contents"]
        assert sent[0]["role"] == "user", file.name
        assert all(one["role"] != two["role"] for one, two in pairwise(sent)), file.name
    assert count > 20
