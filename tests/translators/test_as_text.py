"""Blocks as text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llm_to_anthropic.translators.as_text import other_text, server_call_text
from llm_to_anthropic.wire.anthropic import OtherBlock, ServerToolUseBlock

Json = Any


def told(block: Json) -> str:
    return other_text(OtherBlock(block["type"], Raw(msgspec.json.encode(block))))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (b'{"query":"tea"}', '[search "tea"]'),
        (b"{}", "[search]"),
        (b"", "[search]"),
        (b'{"n": 1}', '[search {"n":1}]'),
        (b'{"n": 1e999}', '[search ""]'),
        (b"[1]", "[search [1]]"),
    ],
    ids=["one text", "empty", "absent", "number", "number out of range", "list"],
)
def test_a_call_names_its_tool_and_arguments(arguments: bytes, text: str) -> None:
    """A server tool's call is told in one line."""
    assert server_call_text(ServerToolUseBlock("s", "search", Raw(arguments))) == text


BLOCKS: list[tuple[str, Json, str]] = [
    ("fallback", {"type": "fallback", "from": {"model": "a"}}, ""),
    ("malformed MCP call", {"type": "mcp_tool_use", "name": 5}, "[MCP tool]"),
    (
        "fetched page",
        {
            "type": "web_fetch_tool_result",
            "content": {"type": "web_fetch_result", "url": "https://a.test", "content": {"source": {"data": "words"}}},
        },
        "[web_fetch result]\nhttps://a.test\nwords",
    ),
    (
        "fetched file",
        {"type": "web_fetch_tool_result", "content": {"source": {"type": "base64", "data": "JVBE"}}},
        "[web_fetch result]\n[binary data]",
    ),
    (
        "error",
        {"type": "web_search_tool_result", "content": {"error_code": "max_uses_exceeded"}},
        "[web_search result]\nmax_uses_exceeded",
    ),
    (
        "found tools",
        {
            "type": "tool_search_tool_result",
            "content": {"tool_references": [{"type": "tool_reference", "tool_name": "Fetch"}]},
        },
        "[tool_search result]\nTool Fetch is now available.",
    ),
]


@pytest.mark.parametrize(("block", "text"), [row[1:] for row in BLOCKS], ids=[row[0] for row in BLOCKS])
def test_results_of_server_tools_are_told(block: Json, text: str) -> None:
    """What a model can read of a server tool's result becomes text, what is opaque is left out."""
    assert told(block) == text


def test_long_search_results_are_cut() -> None:
    """Twenty hits of an old search are enough."""
    hits = [{"type": "web_search_result", "title": "t", "url": f"https://a.test/{n}"} for n in range(50)]
    assert told({"type": "web_search_tool_result", "content": hits}).count("https://") == 20


@given(
    content=st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["content", "text", "type", "source", "tool_name"]), inner, max_size=3)
        ),
        max_leaves=30,
    )
)
def test_any_result_can_be_told(content: Json) -> None:
    """Whatever another vendor's tool answered, telling it never fails."""
    assert told({"type": "future_tool_result", "content": content}).startswith("[future result]")
