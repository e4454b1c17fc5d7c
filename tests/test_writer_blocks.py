"""Blocks that the message writer gets whole, and the citations of its texts."""

from __future__ import annotations

import pytest
from msgspec import Raw

from llm_to_anthropic.exchange import Usage
from llm_to_anthropic.wire.anthropic import (
    OutMcpResult,
    OutMcpToolUse,
    OutSearchResults,
    OutServerToolUse,
    OutText,
    SearchCitation,
    SearchResult,
)
from llm_to_anthropic.writer import MessageWriter
from tests.messages import grammar_problems, rebuild
from tests.writing import USAGE, content, streamed, whole

SEARCH = OutServerToolUse("srvtoolu_1", "web_search", Raw(b'{"query":"q"}'))
FOUND = OutSearchResults("srvtoolu_1", [SearchResult(url="http://a.test", title="A", encrypted_content="x")])
CITED = OutText("said", [SearchCitation(url="http://a.test", title="A", cited_text="said", encrypted_index="x")])


def test_whole_blocks_stand_between_others() -> None:
    """A block that is complete at once closes the one before it, and what follows opens a new one."""

    def script(writer: MessageWriter) -> None:
        writer.text("before")
        writer.whole_block(SEARCH)
        writer.whole_block(FOUND)
        writer.text("after")
        writer.finish("end_turn", USAGE)

    blocks = content(script)
    assert [block["type"] for block in blocks] == ["text", "server_tool_use", "web_search_tool_result", "text"]
    assert blocks[1]["input"] == {"query": "q"}


def test_cited_text_has_its_citations() -> None:
    """Citations follow the text that they belong to, in the same block."""

    def script(writer: MessageWriter) -> None:
        writer.whole_block(CITED)
        writer.finish("end_turn", USAGE)

    (block,) = rebuild(streamed(script))["content"]
    assert block["text"] == "said"
    assert [citation["type"] for citation in block["citations"]] == ["web_search_result_location"]


def test_what_there_is_none_of_is_left_out() -> None:
    """Anthropic sends no `citations` and no `server_tool_use` where there are none, and the AI SDK refuses null."""

    def script(writer: MessageWriter) -> None:
        writer.text("said")
        writer.finish("end_turn", USAGE)

    message = whole(script)
    assert message["content"] == [{"type": "text", "text": "said"}]
    assert {name for name, value in message.items() if value is None} == {"stop_sequence", "stop_details"}
    started = streamed(script)[0]["message"]
    for usage in (message["usage"], started["usage"]):  # type: ignore[index]
        assert "server_tool_use" not in usage  # type: ignore[operator]


def test_whole_block_waits_for_an_open_call() -> None:
    """Behind a tool call that is not complete a whole block waits for its turn."""

    def script(writer: MessageWriter) -> None:
        writer.open_tool(0, "toolu_1", "look")
        writer.whole_block(SEARCH)
        writer.whole_block(FOUND)
        writer.tool_arguments(0, "{}")
        writer.close_tool(0)
        writer.finish("end_turn", USAGE)

    assert [block["type"] for block in content(script)] == ["tool_use", "server_tool_use", "web_search_tool_result"]


def test_server_tools_are_no_tool_use() -> None:
    """A client has nothing to do for a server tool: the turn ends."""

    def script(writer: MessageWriter) -> None:
        writer.whole_block(SEARCH)
        writer.finish("tool_use", USAGE)

    assert whole(script)["stop_reason"] == "end_turn"


def test_usage_counts_server_tools() -> None:
    """Searches and fetches stand in the usage of both forms, and nowhere where there were none."""
    used = Usage(web_search_requests=2, web_fetch_requests=1)

    def script(writer: MessageWriter) -> None:
        writer.finish("end_turn", used)

    counts = {"web_search_requests": 2, "web_fetch_requests": 1}
    assert rebuild(streamed(script))["usage"]["server_tool_use"] == counts
    usage = whole(script)["usage"]
    assert isinstance(usage, dict)
    assert usage["server_tool_use"] == counts


CITATION = SearchCitation(url="https://a.test", title="A", cited_text="seen", encrypted_index="x")
SAID: dict[str, tuple[tuple[str, ...], list[tuple[str, int]]]] = {
    "text goes on in a block of its own": (("It is.", "[cite]", " More."), [("It is.", 1), (" More.", 0)]),
    "several citations": (("It is.", "[cite]", "[cite]", "More."), [("It is.", 2), ("More.", 0)]),
    "white space waits for the text that it precedes": (
        ("It is.", "[cite]", "\n", "\n", "- More."),
        [("It is.", 1), ("\n\n- More.", 0)],
    ),
    "white space without text stays": (("It is.", "[cite]", "\n\n"), [("It is.\n\n", 1)]),
    "white space between citations stays": (
        ("It is.", "[cite]", "\n", "[cite]", "More."),
        [("It is.", 2), ("\nMore.", 0)],
    ),
    "nothing to cite": (("[cite]", "It is."), [("It is.", 0)]),
}


@pytest.mark.parametrize(("said", "blocks"), SAID.values(), ids=SAID)
def test_citations_mark_the_text_before_them(said: tuple[str, ...], blocks: list[tuple[str, int]]) -> None:
    """A citation belongs to the open text; only other text than white space begins a new block."""

    def script(writer: MessageWriter) -> None:
        for piece in said:
            if piece == "[cite]":
                writer.citation(CITATION)
            else:
                writer.text(piece)
        writer.finish("end_turn", USAGE)

    events = streamed(script)
    assert grammar_problems(events) == []
    for message in (rebuild(events), whole(script)):
        found = message["content"]
        assert isinstance(found, list)
        assert [(block["text"], len(block.get("citations") or ())) for block in found] == blocks


def test_calls_of_mcp_servers() -> None:
    """A call of an MCP server's tool streams its input, and its result stands whole behind it."""

    def script(writer: MessageWriter) -> None:
        writer.whole_block(OutMcpToolUse("mcptoolu_1", "look", "wiki", Raw(b'{"at":1}')))
        writer.whole_block(OutMcpResult("mcptoolu_1", is_error=False, content=[OutText("found")]))
        writer.finish("end_turn", USAGE)

    call, result = content(script)
    assert (call["type"], call["server_name"], call["input"]) == ("mcp_tool_use", "wiki", {"at": 1})
    assert (result["type"], result["is_error"]) == ("mcp_tool_result", False)
