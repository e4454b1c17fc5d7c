"""What becomes of tools on their way to OpenAI Responses, and which of them OpenAI runs itself."""

from __future__ import annotations

import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.openai_responses.encoding import HostedTool
from llm_to_anthropic.translators.openai_responses.request import encode_responses
from llm_to_anthropic.translators.request import decode_request
from tests.translators.chat_requests import assistant, call, result, text, tool, user
from tests.translators.responses_requests import LOCAL, Json, a_client, encoded, lost, target, upstream

SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}
CODE = {"type": "code_execution_20250825", "name": "code_execution"}
SERVER = {"type": "url", "name": "wiki", "url": "https://wiki.test/mcp", "authorization_token": "token"}
TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "wiki"}
CLOSED = {
    "type": "object",
    "properties": {"at": {"type": "string"}, "by": {"type": "integer"}},
    "required": ["at"],
}


def tools(*declared: Json, **rest: Json) -> Json:
    """What the upstream is told of these tools."""
    return upstream({"tools": list(declared)}, **rest).get("tools", [])


def choice(kind: str, *declared: Json, **rest: Json) -> Json:
    return upstream({"tools": list(declared) or [tool()], "tool_choice": {"type": kind} | rest}).get("tool_choice")


def test_a_function_says_that_it_is_not_strict() -> None:
    """Left unsaid, the upstream would close the schema by itself."""
    assert tools(tool(description="Looks.")) == [
        {
            "type": "function",
            "name": "look",
            "description": "Looks.",
            "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
            "strict": False,
        }
    ]


def test_a_server_that_enforces_nothing_is_told_nothing_of_strict() -> None:
    """Where `strict` is not known it is left out, and a tool that wants it is told as lost."""
    client = a_client({"tools": [tool(), tool("strict", strict=True)]})
    done = encode_responses(decode_request(client.body), client, target(strict=False))
    assert b'strict":' not in done.body
    assert lost(done) == ["tools[1].strict"]


def test_a_strict_tool_has_a_closed_schema() -> None:
    """Optional properties may be null, and the answer knows to take nulls out again."""
    done = encoded({"tools": [tool(strict=True, input_schema=CLOSED)]})
    sent = upstream({"tools": [tool(strict=True, input_schema=CLOSED)]})["tools"][0]
    assert sent["strict"] is True
    assert sent["parameters"]["required"] == ["at", "by"]
    assert sent["parameters"]["additionalProperties"] is False
    assert done.encoding.strict_schemas == {"look": CLOSED}


def test_a_strict_tool_that_cannot_be_closed_stays_open() -> None:
    """A schema whose meaning would change is sent as it is, and that is told."""
    open_schema = {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": True}}}
    done = encoded({"tools": [tool(strict=True, input_schema=open_schema)]})
    assert lost(done) == ["tools[0].strict"]
    assert b'"strict":false' in done.body


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        (
            {"$schema": "x", "type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"const": 1}}},
            {"$schema": "x", "type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"const": 1}}},
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array"}}},
            {"type": "object", "properties": {"a": {"type": "array", "items": {}}}},
        ),
    ],
)
def test_schemas_are_what_the_upstream_takes(schema: Json, expected: Json) -> None:
    """Missing properties and items are added; all else stays."""
    assert tools({"name": "f", "input_schema": schema})[0]["parameters"] == expected


def test_a_long_name_is_shortened_everywhere() -> None:
    """Tool, choice and history have the same short name, and the answer knows the long one."""
    name = "mcp__some_very_long_server__" + "x" * 50
    request = {
        "tools": [tool(name)],
        "tool_choice": {"type": "tool", "name": name},
        "messages": [user(text("?")), assistant(call("t1", name)), user(result("t1"))],
    }
    made, done = upstream(request), encoded(request)
    short = made["tools"][0]["name"]
    assert len(short) <= 64
    assert (made["tool_choice"]["name"], made["input"][1]["name"]) == (short, short)
    assert done.encoding.tool_names == {short: name}


@pytest.mark.parametrize("kind", ["bash_20250124", "text_editor_20250728", "memory_20250818", "computer_20250124"])
def test_tools_that_the_client_runs_are_functions(kind: str) -> None:
    """Anthropic's own client tools are functions that the clients understand, never OpenAI's."""
    made = tools({"type": kind, "name": "it", "display_width_px": 800, "display_height_px": 600})[0]
    assert (made["type"], made["name"], made["strict"]) == ("function", "it", False)


def test_more_tools_than_the_upstream_takes_are_refused() -> None:
    """150 tools are refused in plain words; deferred ones that nothing names do not count."""
    with pytest.raises(ClientError, match="at most 128 tools are supported for model 'claude-x'; got 150"):
        tools(*(tool(f"t{n}") for n in range(150)))
    assert len(tools(*(tool(f"t{n}", defer_loading=n > 99) for n in range(150)))) == 100
    assert len(tools(*(tool(f"t{n}") for n in range(150)), model="qwen3", base_url=LOCAL)) == 150


def test_a_tool_search_is_not_needed() -> None:
    """With one, all tools are declared at once."""
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search"}
    assert [each["name"] for each in tools(search, tool("a", defer_loading=True))] == ["a"]


@pytest.mark.parametrize(
    ("kind", "rest", "expected"),
    [
        ("auto", {}, "auto"),
        ("any", {}, "required"),
        ("none", {}, "none"),
        ("tool", {"name": "look"}, {"type": "function", "name": "look"}),
    ],
)
def test_choices_have_other_names(kind: str, rest: Json, expected: Json) -> None:
    """Each choice has its counterpart, and with `none` the tools are still sent."""
    assert choice(kind, tool(), tool("other"), **rest) == expected


def test_one_call_at_a_time_is_told_to_the_upstream() -> None:
    """It is also seen to here, for a server that knows no such field."""
    request = {"tools": [tool()], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    assert upstream(request)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in upstream(request, parallel_tool_calls=False)
    assert encoded(request, parallel_tool_calls=False).encoding.single_call
    assert "parallel_tool_calls" not in upstream({"tools": [tool()]})


def test_a_web_search_is_run_by_the_upstream() -> None:
    """Without a place the user is nowhere, rather than in the United States; the sources are asked for."""
    made = upstream({"tools": [SEARCH]})
    assert made["tools"] == [{"type": "web_search", "user_location": {"type": "approximate"}}]
    assert "web_search_call.action.sources" in made["include"]
    assert encoded({"tools": [SEARCH]}).encoding.hosted == (
        HostedTool(kind="web_search", type="web_search_20250305", name="web_search"),
    )


def test_a_web_search_keeps_its_domains_and_place() -> None:
    """Domains travel without scheme and path, which is told; the place as it is."""
    place = {"type": "approximate", "city": "Beijing", "country": "CN"}
    asked = SEARCH | {"allowed_domains": ["https://Example.com/docs", "example.com"], "user_location": place}
    made = tools(asked)[0]
    assert (made["filters"], made["user_location"]) == ({"allowed_domains": ["example.com"]}, place)
    assert lost(encoded({"tools": [asked]})) == ["tools[0].allowed_domains"]
    assert lost(encoded({"tools": [SEARCH | {"allowed_domains": ["example.com", "a.org/*"]}]})) == []


def test_blocked_domains_are_kept_out_of_the_answer_too() -> None:
    """The upstream is told where it knows how; what comes all the same is left out of the answer."""
    asked = {"tools": [SEARCH | {"blocked_domains": ["https://bad.com"]}]}
    assert upstream(asked)["tools"][0]["filters"] == {"blocked_domains": ["bad.com"]}
    assert encoded(asked).encoding.blocked_domains == ("bad.com",)
    without = encoded(asked, blocked_domains=False)
    assert (lost(without), without.encoding.blocked_domains) == (["tools[0].blocked_domains"], ("bad.com",))
    assert b"bad.com" not in without.body


def test_too_many_domains_are_told() -> None:
    """The upstream takes a hundred of them."""
    asked = SEARCH | {"allowed_domains": [f"d{n}.com" for n in range(101)]}
    assert len(tools(asked)[0]["filters"]["allowed_domains"]) == 100
    assert lost(encoded({"tools": [asked]})) == ["tools[0].allowed_domains"]


def test_uses_of_the_only_hosted_tool_are_limited() -> None:
    """The upstream counts the calls of all its tools together, so a limit for one of several is told as left out."""
    assert upstream({"tools": [SEARCH | {"max_uses": 3}, tool()]})["max_tool_calls"] == 3
    both = {"tools": [SEARCH | {"max_uses": 3}, CODE]}
    assert "max_tool_calls" not in upstream(both)
    assert lost(encoded(both)) == ["tools[0].max_uses"]
    assert lost(encoded({"tools": [SEARCH | {"max_uses": 3}]}, max_tool_calls=False)) == ["tools[0].max_uses"]


def test_a_fetch_beside_a_search_is_part_of_it() -> None:
    """The search opens pages itself; a fetch alone is a search of the domains that it may read."""
    done = encoded({"tools": [SEARCH, FETCH]})
    assert len(upstream({"tools": [SEARCH, FETCH]})["tools"]) == 1
    assert lost(done) == ["tools[1]"]
    assert [each.kind for each in done.encoding.hosted] == ["web_search", "web_fetch"]
    alone = tools(FETCH | {"allowed_domains": ["example.com"]})[0]
    assert (alone["type"], alone["filters"]) == ("web_search", {"allowed_domains": ["example.com"]})


@pytest.mark.parametrize("field", ["allowed_domains", "blocked_domains"])
def test_domains_of_a_fetch_beside_a_search_are_not_given_up_in_strict_mode(field: str) -> None:
    """They keep a model from carrying data to other places: a search that opens any page is no stand-in."""
    both = {"tools": [SEARCH, FETCH | {field: ["example.com"]}]}
    assert lost(encoded(both)) == ["tools[1]", f"tools[1].{field}"]
    with pytest.raises(ClientError, match=field):
        encoded(both, strict=True)
    assert lost(encoded({"tools": [SEARCH, FETCH]}, strict=True)) == ["tools[1]"]


def test_the_length_of_fetched_pages_is_not_limited() -> None:
    """OpenAI knows no limit of a page, which is told."""
    assert lost(encoded({"tools": [FETCH | {"max_content_tokens": 1000}]})) == ["tools[0].max_content_tokens"]


@pytest.mark.parametrize(
    ("container", "expected", "losses"),
    [
        (None, {"type": "auto"}, []),
        ("cntr_1", "cntr_1", []),
        ({"id": "cntr_1"}, "cntr_1", []),
        ("container_1", {"type": "auto"}, ["container"]),
    ],
)
def test_code_runs_in_a_container_of_the_upstream(container: Json, expected: Json, losses: list[str]) -> None:
    """One that an earlier answer named is used again, that of another vendor is told as lost."""
    request = {"tools": [CODE]} | ({"container": container} if container else {})
    made = upstream(request)
    assert made["tools"] == [{"type": "code_interpreter", "container": expected}]
    assert "code_interpreter_call.outputs" in made["include"]
    assert lost(encoded(request)) == losses


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("web_search", {"type": "web_search"}),
        ("code_execution", {"type": "code_interpreter"}),
        ("look", {"type": "function", "name": "look"}),
    ],
)
def test_a_hosted_tool_can_be_chosen(chosen: str, expected: Json) -> None:
    """A choice of a tool that the upstream runs names it by its type."""
    assert choice("tool", SEARCH, CODE, tool(), name=chosen) == expected


def test_the_only_tool_is_chosen_by_requiring_one() -> None:
    """Claude Code searches the web in a request of its own, with no other tool."""
    assert choice("tool", SEARCH, name="web_search") == "required"
    assert choice("any", SEARCH) == "required"


def test_a_hosted_tool_needs_more_than_the_least_reasoning() -> None:
    """The upstream refuses its own tools beside the effort "minimal"."""
    off = {"thinking": {"type": "disabled"}}
    assert upstream(off, "gpt-5")["reasoning"] == {"effort": "minimal"}
    assert upstream(off | {"tools": [SEARCH]}, "gpt-5")["reasoning"] == {"effort": "low"}


def test_a_server_without_search_has_the_model_told() -> None:
    """Where nobody can search, it is a loss, and the model is told not to make up results."""
    request = {"tools": [SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}}
    made = upstream(request, "qwen3", LOCAL)
    assert "Web search is not available" in made["instructions"]
    assert not {"tools", "tool_choice"} & made.keys()
    assert lost(encoded(request, "qwen3", LOCAL)) == ["tools[0]", "tool_choice"]


@pytest.mark.parametrize("kind", [FETCH, CODE])
def test_a_server_without_hosted_tools_refuses_them(kind: Json) -> None:
    """Tools that nobody would run are refused by name, not silently left out."""
    with pytest.raises(ClientError, match=f"{kind['type']} is not supported for model 'claude-x'"):
        tools(kind, model="qwen3", base_url=LOCAL)


@pytest.mark.parametrize("kind", ["advisor_20260301", "computer_toolset_20260801", "browser_toolset_20260801"])
def test_tools_that_only_anthropic_runs_are_refused(kind: str) -> None:
    """Leaving them out would mislead the client."""
    with pytest.raises(ClientError, match=f"{kind} is not supported for model 'claude-x'"):
        tools({"type": kind, "name": "x"})


def test_an_mcp_server_is_called_by_the_upstream() -> None:
    """A toolset and its server become one tool that needs no approval."""
    request = {"tools": [TOOLSET], "mcp_servers": [SERVER]}
    assert upstream(request)["tools"] == [
        {
            "type": "mcp",
            "server_label": "wiki",
            "server_url": "https://wiki.test/mcp",
            "authorization": "token",
            "require_approval": "never",
        }
    ]
    assert encoded(request).encoding.hosted == (HostedTool(kind="mcp", type="mcp_toolset", name="wiki", label="wiki"),)


def test_a_server_has_a_label_that_the_upstream_takes() -> None:
    """The answer knows the client's name of it."""
    request = {"mcp_servers": [SERVER | {"name": "1 my wiki"}], "tools": [TOOLSET | {"mcp_server_name": "1 my wiki"}]}
    label = upstream(request)["tools"][0]["server_label"]
    assert label.replace("_", "").isalnum()
    assert not label[0].isdigit()
    assert encoded(request).encoding.hosted[0].name == "1 my wiki"


@pytest.mark.parametrize(
    ("config", "allowed"),
    [
        ({}, None),
        ({"default_config": {"enabled": True}, "configs": {"ask": {"enabled": True}}}, None),
        ({"default_config": {"enabled": False}, "configs": {"ask": {"enabled": True}, "tell": {}}}, ["ask"]),
        ({"default_config": {"enabled": False}}, []),
    ],
)
def test_a_toolset_names_the_tools_that_may_be_called(config: Json, allowed: Json) -> None:
    """Where all are disabled but some, these are named."""
    made = upstream({"tools": [TOOLSET | config], "mcp_servers": [SERVER]})["tools"][0]
    assert made.get("allowed_tools") == allowed


def test_disabling_some_tools_of_a_server_is_refused() -> None:
    """Without the list of its tools, all but some cannot be named."""
    config = {"configs": {"ask": {"enabled": False}}}
    with pytest.raises(ClientError, match="mcp_toolset with per-tool disabling is not supported for model 'claude-x'"):
        upstream({"tools": [TOOLSET | config], "mcp_servers": [SERVER]})


def test_the_older_api_has_servers_without_toolsets() -> None:
    """All servers are called then, or those of their tools that their own configuration names."""
    limited = SERVER | {"tool_configuration": {"enabled": True, "allowed_tools": ["ask"]}}
    off = SERVER | {"name": "off", "tool_configuration": {"enabled": False}}
    made = upstream({"mcp_servers": [limited, off]})["tools"]
    assert [(each["server_label"], each["allowed_tools"]) for each in made] == [("wiki", ["ask"])]


def test_servers_and_toolsets_belong_together() -> None:
    """A toolset without its server is refused, a server that no toolset names is told as left out."""
    with pytest.raises(ClientError, match="server 'gone' not found in mcp_servers"):
        upstream({"tools": [TOOLSET | {"mcp_server_name": "gone"}], "mcp_servers": [SERVER]})
    done = encoded({"tools": [TOOLSET], "mcp_servers": [SERVER, SERVER | {"name": "other"}]})
    assert lost(done) == ["mcp_servers"]


def test_a_server_that_calls_no_others_refuses_mcp() -> None:
    """Missing tools would surprise more than an error."""
    with pytest.raises(ClientError, match="mcp_servers is not supported for model 'claude-x'"):
        upstream({"mcp_servers": [SERVER]}, "qwen3", LOCAL)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"tools": [tool(), tool()]}, "Tool names must be unique"),
        ({"tool_choice": {"type": "any"}}, "only be specified while providing tools"),
        ({"tools": [tool()], "tool_choice": {"type": "tool", "name": "gone"}}, "tool 'gone' not found in tools"),
        ({"tools": [SEARCH | {"user_location": 5}]}, r"tools.0.user_location: Input should be a valid object"),
        ({"tools": [CODE], "container": 5}, "container: Input should be a valid"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers.0.name: Field required"),
        ({"mcp_servers": [SERVER], "tools": [TOOLSET | {"configs": [1]}]}, "tools.0.configs: Input should be"),
    ],
)
def test_mistakes_are_told_in_anthropics_words(request_: Json, message: str) -> None:
    """The field at fault is named."""
    with pytest.raises(ClientError, match=message):
        encoded(request_)
