"""Anthropic's own tools, and what becomes of them with Gemini."""

from __future__ import annotations

import msgspec
import pytest

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Backend
from tests.translators.chat_requests import tool
from tests.translators.gemini_requests import CODE, FETCH, NEW, OLD, SEARCH, Json, encoded, lost, upstream


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (SEARCH, {"googleSearch": {}}),
        (FETCH, {"urlContext": {}}),
        (CODE, {"codeExecution": {}}),
    ],
    ids=["search", "fetch", "code"],
)
def test_anthropics_tools_become_googles(asked: Json, sent: Json) -> None:
    """What Google runs itself is asked of it."""
    done = encoded({"tools": [asked]})
    assert msgspec.json.decode(done.body)["tools"] == [sent]
    assert (done.encoding.web_search, done.encoding.web_fetch) == (asked is SEARCH, asked is FETCH)


def test_domains_of_a_search_are_kept_as_far_as_possible() -> None:
    """Allowed domains go into the prompt, blocked ones to Vertex AI; both are left for the way back to filter."""
    tools = [SEARCH | {"allowed_domains": ["a.test"], "blocked_domains": ["b.test"], "max_uses": 3}]
    done = encoded({"tools": tools})
    body = msgspec.json.decode(done.body)
    assert (done.encoding.allowed_domains, done.encoding.blocked_domains) == (("a.test",), ("b.test",))
    assert "a.test" in body["systemInstruction"]["parts"][-1]["text"]
    assert lost(done) == ["tools[0].max_uses", "tools[0].blocked_domains", "tools[0].allowed_domains"]
    vertex = msgspec.json.decode(encoded({"tools": tools}, backend="vertex").body)
    assert vertex["tools"] == [{"googleSearch": {"excludeDomains": ["b.test"]}}]


def test_what_a_fetch_cannot_keep_to_is_told() -> None:
    """Google cites nothing that it fetched, and reads pages of any length: strict mode refuses the first."""
    fetch = FETCH | {"citations": {"enabled": True}, "max_content_tokens": 1000}
    assert lost(encoded({"tools": [fetch]})) == ["tools[0].max_content_tokens", "tools[0].citations"]
    assert lost(encoded({"tools": [FETCH | {"citations": {"enabled": False}}]})) == []
    with pytest.raises(ClientError, match="citations"):
        encoded({"tools": [fetch]}, strict=True)


def test_a_place_is_no_coordinates() -> None:
    """The place of a search cannot be carried over, which strict mode refuses."""
    place = SEARCH | {"user_location": {"type": "approximate", "city": "Bern"}}
    assert lost(encoded({"tools": [place]})) == ["tools[0].user_location"]
    with pytest.raises(ClientError, match="user_location"):
        encoded({"tools": [place]}, strict=True)


@pytest.mark.parametrize(("model", "backend"), [(OLD, "dev"), (NEW, "vertex")])
def test_tools_that_cannot_be_combined_are_refused(model: str, backend: Backend) -> None:
    """Without its tool a model would make results up: the request is refused by the tool's name."""
    with pytest.raises(ClientError, match=r"code_execution_\d+ cannot be combined") as caught:
        encoded({"tools": [tool(), CODE]}, model, backend=backend)
    assert caught.value.status == 400


def test_a_search_beside_functions_is_left_out_and_the_model_told() -> None:
    """Agents offer a search among their tools: on older models it is left out, the model is told, strict refuses."""
    done = encoded({"tools": [tool(), SEARCH]})
    body = msgspec.json.decode(done.body)
    assert [list(each) for each in body["tools"]] == [["functionDeclarations"]]
    assert "not available" in body["systemInstruction"]["parts"][-1]["text"]
    assert (lost(done), done.encoding.web_search) == (["tools[1]"], False)
    with pytest.raises(ClientError, match="cannot be combined"):
        encoded({"tools": [tool(), SEARCH]}, strict=True)


def test_newer_models_combine_tools() -> None:
    """Functions and search stand side by side, and Google tells of its calls."""
    done = upstream({"tools": [tool(), SEARCH]}, NEW)
    assert [list(each) for each in done["tools"]] == [["functionDeclarations"], ["googleSearch"]]
    assert done["toolConfig"] == {"includeServerSideToolInvocations": True}


def test_vertex_takes_a_search_beside_functions() -> None:
    """Recorded of Vertex AI: Gemini 3 takes both, without the field that tells of its calls, which is refused there."""
    done = upstream({"tools": [tool(), SEARCH]}, NEW, backend="vertex")
    assert [list(each) for each in done["tools"]] == [["functionDeclarations"], ["googleSearch"]]
    assert "toolConfig" not in done
    older = encoded({"tools": [tool(), SEARCH]}, OLD, backend="vertex")
    assert (lost(older), older.encoding.web_search) == (["tools[1]"], False)


def test_no_tool_means_none_of_googles_either() -> None:
    """tool_choice none keeps Google's tools away, which have no mode."""
    done = encoded({"tools": [SEARCH], "tool_choice": {"type": "none"}})
    assert "tools" not in msgspec.json.decode(done.body)
    assert not done.encoding.web_search


def test_a_forced_search_is_googles_decision() -> None:
    """Google's tools cannot be forced: they are offered, and that is told."""
    done = encoded({"tools": [SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}})
    assert "toolConfig" not in msgspec.json.decode(done.body)
    assert lost(done) == ["tool_choice"]


@pytest.mark.parametrize("kind", ["mcp_toolset", "advisor_20260301"])
def test_tools_of_anthropic_alone_are_refused(kind: str) -> None:
    """What only Anthropic can run is refused by name."""
    with pytest.raises(ClientError, match=kind):
        encoded({"tools": [{"type": kind, "name": "x"}]})
