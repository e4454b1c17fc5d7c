"""Which tools an upstream is told of."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.tools import client_name, client_names, upstream_id, upstream_name
from tests.translators import chat_answers, gemini_answers, gemini_requests, responses_answers, responses_requests
from tests.translators.chat_requests import OPENAI, assistant, call, encoded, lost, result, text, tool, upstream, user

Json = Any
LONG = "mcp__a_server_with_a_rather_long_name__and_a_tool_that_has_an_even_longer_one"


def names(request: Json, quirks: ChatQuirks | None = None) -> list[str]:
    return [each["function"]["name"] for each in upstream(request, quirks).get("tools", [])]


def test_a_legal_name_is_kept() -> None:
    """A name that upstreams take is sent unchanged."""
    assert upstream_name("mcp__files-read_1") == "mcp__files-read_1"


@pytest.mark.parametrize("name", [LONG, "files.read", "wetter_für_morgen", "a b", "x" * 65], ids=lambda name: name[:12])
def test_an_illegal_name_is_mapped_and_found_again(name: str) -> None:
    """A name that is too long or has other characters becomes legal, and the client's name can be told from it."""
    changed = upstream_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", changed)
    assert client_names([name]) == {changed: name}


DECORATED = ["functions.look", "functions/look", "default_api:look", "default_api.look", "look<|channel|>commentary"]


@pytest.mark.parametrize("name", DECORATED)
def test_what_a_model_writes_around_a_name_is_left_out(name: str) -> None:
    """gpt-oss and Gemini call a tool with the namespace or the channel of their own format: clients know it not."""
    request = {"tools": [tool("look")]}
    chat_call = chat_answers.delta("tool_calls", tool_calls=[chat_answers.call(0, id="c", name=name, arguments="{}")])
    responses_call = responses_answers.stream_of(responses_answers.call(name))
    answers = (
        chat_answers.streamed(chat_call, request=request),
        responses_answers.streamed(*responses_call, request=request),
        gemini_answers.streamed(gemini_answers.chunk(gemini_answers.call(name), finish="STOP"), request=request),
    )
    assert [answer["content"][-1]["name"] for answer in answers] == ["look"] * 3


@pytest.mark.parametrize("name", ["functions.other", "other:look", "Look", "<|look", ""])
def test_the_name_of_no_tool_stays(name: str) -> None:
    """The client tells the model that there is no such tool."""
    assert client_name(name, client_names(["look", "functions_look"])) == name


def test_a_tool_with_such_a_name_is_called_by_it() -> None:
    """What has that name is meant."""
    names = client_names(["look", "functions.look"])
    assert client_name(upstream_name("functions.look"), names) == "functions.look"


@pytest.mark.parametrize("upstream_body", [upstream, gemini_requests.upstream, responses_requests.upstream])
@pytest.mark.parametrize("name", [LONG, "look", "3d_view"], ids=["long", "legal", "digit first"])
def test_announced_tool_has_the_name_under_which_it_is_declared(upstream_body: Any, name: str) -> None:
    """A tool search tells of tools that the model has to find among the others, where some have changed names."""
    found = result("t1", [{"type": "tool_reference", "tool_name": name}])
    turns = [user(text("?")), assistant(call("t1", "find")), user(found)]
    tools = [tool("find"), tool(name, defer_loading=True)]
    body = json.dumps(upstream_body({"messages": turns, "tools": tools}))
    (told,) = re.findall(r"Tool (\S+) is now available", body)
    assert f'"name": "{told}"' in body


def test_names_that_look_alike_stay_apart() -> None:
    """Two long names with the same beginning do not collide."""
    assert upstream_name(LONG + "_a") != upstream_name(LONG + "_b")


def test_the_mapped_name_is_the_same_everywhere() -> None:
    """Definition, tool_choice and history use one name for a tool."""
    done = upstream(
        {
            "messages": [user(text("x")), assistant(call("c1", LONG)), user(result("c1"))],
            "tools": [tool(LONG)],
            "tool_choice": {"type": "tool", "name": LONG},
        }
    )
    name = done["tools"][0]["function"]["name"]
    assert done["tool_choice"]["function"]["name"] == name
    assert done["messages"][1]["tool_calls"][0]["function"]["name"] == name


@pytest.mark.parametrize("id", ["toolu_01ABC", "call_1", "a" * 40, "x-y_z"], ids=lambda id: id[:8])
def test_a_legal_id_is_kept(id: str) -> None:
    """Call ids that upstreams take are sent unchanged."""
    assert upstream_id(id) == id


@given(id=st.text(max_size=100))
def test_any_id_becomes_legal(id: str) -> None:
    """Whatever a client calls a call, the upstream gets an id that it takes, and always the same."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", upstream_id(id))
    assert re.fullmatch(r"[A-Za-z0-9]{9}", upstream_id(id, short=True))
    assert upstream_id(id) == upstream_id(id)


def test_deferred_tools_wait_until_they_are_referenced() -> None:
    """A deferred tool is declared once a tool_reference, a call or a system message names it."""
    later = [tool(name, defer_loading=True) for name in ("found", "called", "added", "unknown")]
    conversation = [
        user(text("x")),
        assistant(call("c1", "search"), call("c2", "called")),
        user(result("c1", [{"type": "tool_reference", "tool_name": "found"}]), result("c2")),
        {
            "role": "system",
            "content": [{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "added"}}],
        },
    ]
    assert names({"tools": [tool("search"), *later], "messages": conversation}) == [
        "search",
        "found",
        "called",
        "added",
    ]


def test_deferred_tools_are_all_sent_where_the_search_is_anthropics() -> None:
    """The search on Anthropic's side cannot run here, so a model must see all tools; the placeholder is none."""
    request = {
        "tools": [
            {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"},
            tool("a", defer_loading=True),
            tool("DeferredToolPlaceholder", defer_loading=True),
            tool("b"),
        ]
    }
    assert names(request) == ["a", "b"]


def test_too_many_tools_leave_out_the_deferred_first() -> None:
    """Over the upstream's limit, deferred tools that nothing names are left out."""
    search = {"type": "tool_search_tool_regex", "name": "tool_search_tool_regex"}
    deferred = [tool(f"d{n}", defer_loading=True) for n in range(200)]
    assert names({"tools": [search, tool("a"), *deferred]}, OPENAI) == ["a"]


def test_more_tools_than_the_upstream_takes_are_refused() -> None:
    """Too many tools get a clear error instead of the upstream's."""
    with pytest.raises(ClientError, match="at most 128 tools are supported for model 'claude-x'; got 150"):
        upstream({"tools": [tool(f"t{n}") for n in range(150)]}, OPENAI)


def test_system_messages_change_the_tools() -> None:
    """Tools that a system message removes are gone, those that it defines are there."""
    conversation = [
        user(text("x")),
        {
            "role": "system",
            "content": [
                {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "a"}},
                {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool("c")}},
            ],
        },
    ]
    assert names({"tools": [tool("a"), tool("b")], "messages": conversation}) == ["b", "c"]


def test_a_tool_that_a_system_message_brings_can_be_chosen() -> None:
    """tool_choice may name it, with other tools beside it or without; one that nobody brings is still refused."""
    added = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool("c")}}
    conversation = {"messages": [user(text("x")), {"role": "system", "content": [added]}]}
    chosen = {"tool_choice": {"type": "tool", "name": "c"}}
    for beside in ({}, {"tools": [tool("a")]}):
        assert upstream(conversation | beside | chosen)["tool_choice"]["function"]["name"] == "c"
    assert upstream(conversation | {"tool_choice": {"type": "any"}})["tool_choice"] == "required"
    with pytest.raises(ClientError, match="tool 'd' is not among the tools"):
        upstream(conversation | {"tool_choice": {"type": "tool", "name": "d"}})


def test_tools_for_code_execution_alone_are_left_out() -> None:
    """A tool that only code execution may call cannot be called here; that is reported."""
    done = encoded({"tools": [tool("a"), tool("b", allowed_callers=["code_execution_20260120"])]})
    assert lost(done) == ["tools[1]"]
    assert [each["function"]["name"] for each in msgspec.json.decode(done.body)["tools"]] == ["a"]


@pytest.mark.parametrize(
    ("kind", "name", "properties"),
    [
        ("bash_20250124", "bash", {"command", "restart"}),
        ("text_editor_20250728", "str_replace_based_edit_tool", {"command", "path", "old_str", "view_range"}),
        ("memory_20250818", "memory", {"command", "path", "old_path", "new_path", "insert_text"}),
        ("computer_20251124", "computer", {"action", "coordinate", "text", "scroll_direction", "region"}),
    ],
)
def test_client_run_tools_become_functions(kind: str, name: str, properties: set[str]) -> None:
    """Tools that Anthropic defines and the client runs are told of with a schema of their own."""
    size = {"display_width_px": 1024, "display_height_px": 768}
    [function] = upstream({"tools": [{"type": kind, "name": name} | size]}, OPENAI)["tools"]
    assert function["function"]["name"] == name
    assert properties <= set(function["function"]["parameters"]["properties"])
    assert ("1024x768" in function["function"]["description"]) == (name == "computer")


@pytest.mark.parametrize("kind", ["web_fetch_20250910", "code_execution_20260120", "browser_toolset_20260801"])
def test_server_tools_are_refused_by_name(kind: str) -> None:
    """A tool that only Anthropic can run is refused: without it a model would invent its results."""
    with pytest.raises(ClientError, match=f"{kind} is not supported for model 'claude-x'"):
        upstream({"tools": [{"type": kind, "name": "server_tool"}]})


@pytest.mark.parametrize("others", [[], [tool("a")]], ids=["alone", "beside other tools"])
def test_a_web_search_is_left_out_and_the_model_is_told(others: list[Json]) -> None:
    """Claude Code's search request is answered in text: the loss is reported, and no results are made up."""
    request = {"tools": [{"type": "web_search_20250305", "name": "web_search"}, *others]}
    assert lost(encoded(request)) == ["tools[0]"]
    assert "Web search is not available" in str(upstream(request)["messages"][0])


@pytest.mark.parametrize("others", [[], [tool("a")]], ids=["alone", "beside other tools"])
def test_a_web_search_that_is_insisted_on_is_left_out_too(others: list[Json]) -> None:
    """Claude Code may force its search: the choice goes with the tool, and the model answers in text."""
    choice = {"type": "tool", "name": "web_search"}
    request = {"tools": [{"type": "web_search_20250305", "name": "web_search"}, *others], "tool_choice": choice}
    assert lost(encoded(request)) == ["tools[0]", "tool_choice"]
    assert "tool_choice" not in upstream(request)


def test_examples_join_the_description() -> None:
    """Input examples, which upstreams lack a field for, are told in the description, three at most."""
    [function] = upstream({"tools": [tool(description="Looks.", input_examples=[{"at": str(n)} for n in range(5)])]})[
        "tools"
    ]
    description = function["function"]["description"]
    assert description.startswith("Looks.\n\nExample input:")
    assert description.count("Example input") == 3


def test_a_tool_without_schema_takes_no_arguments() -> None:
    """A missing input_schema reads as an object without properties."""
    [function] = upstream({"tools": [{"name": "a"}]})["tools"]
    assert function["function"] == {"name": "a", "parameters": {"type": "object", "properties": {}}}


BAD_TOOLS = [
    ("same name twice", {"tools": [tool("a"), tool("a")]}, "tools: Tool names must be unique."),
    ("no name", {"tools": [{"input_schema": {"type": "object"}}]}, "tools.0.name: Field required"),
    ("choice without tools", {"tool_choice": {"type": "auto"}}, "tool_choice may only be specified while providing"),
    ("choice unknown", {"tools": [tool("a")], "tool_choice": {"type": "some"}}, "tool_choice.type"),
    (
        "choice without name",
        {"tools": [tool("a")], "tool_choice": {"type": "tool"}},
        "tool_choice.name: Field required",
    ),
    (
        "choice not there",
        {"tools": [tool("a")], "tool_choice": {"type": "tool", "name": "b"}},
        "tool_choice.name: tool 'b' not found in tools",
    ),
]


@pytest.mark.parametrize(("request_", "message"), [row[1:] for row in BAD_TOOLS], ids=[row[0] for row in BAD_TOOLS])
def test_wrong_tools_are_refused(request_: Json, message: str) -> None:
    """Mistakes in tools and tool_choice are told in Anthropic's words."""
    with pytest.raises(ClientError) as caught:
        upstream(request_)
    assert message in caught.value.message


def test_strict_tools_are_closed_where_the_upstream_knows_it() -> None:
    """`strict` sends the closed schema and keeps the client's own for the way back."""
    done = encoded({"tools": [tool("a", strict=True), tool("b")]}, OPENAI)
    first, second = msgspec.json.decode(done.body)["tools"]
    assert (first["function"]["strict"], second["function"]["strict"]) == (True, False)
    assert first["function"]["parameters"]["required"] == ["at"]
    assert done.encoding.strict_schemas == {"a": tool()["input_schema"]}


def test_strict_on_a_schema_that_cannot_be_closed_is_reported() -> None:
    """Where a schema cannot be closed the tool is sent without `strict`, and the loss is told."""
    free = {"type": "object", "properties": {}, "additionalProperties": True}
    done = encoded({"tools": [tool("a", strict=True, input_schema=free)]}, OPENAI)
    assert lost(done) == ["tools[0].strict"]
    assert msgspec.json.decode(done.body)["tools"][0]["function"]["strict"] is False


def test_strict_is_not_sent_to_servers_that_do_not_know_it() -> None:
    """Plain compatible servers get neither `strict` nor a closed schema, which is told."""
    done = encoded({"tools": [tool("a", strict=True)]})
    [function] = msgspec.json.decode(done.body)["tools"]
    assert set(function["function"]) == {"name", "parameters"}
    assert lost(done) == ["tools[0].strict"]
