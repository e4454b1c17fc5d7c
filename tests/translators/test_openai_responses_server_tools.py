"""What OpenAI's own tools did becomes Anthropic's blocks of server tools, with citations in the text."""

from __future__ import annotations

from typing import Any

import pytest

from llm_to_anthropic.providers.quirks import ResponsesQuirks
from tests.messages import Event
from tests.translators.responses_answers import (
    CODE,
    FETCH,
    ON,
    SEARCH,
    Json,
    added,
    annotation,
    both,
    call,
    citation,
    collected,
    completed,
    done,
    event,
    kinds,
    message,
    streamed,
    text,
    whole,
)

LINKED = "It is 4.0 ([a.test](https://a.test/x)). More."
LINK = citation(start=10, end=38)


def search(action: Json = None, status: str = "completed", id: str = "ws_1") -> Json:
    return {"type": "web_search_call", "id": id, "status": status, "action": action}


def found(query: str, *urls: str) -> Json:
    return {"type": "search", "query": query, "sources": [{"type": "url", "url": url} for url in urls]}


def cited(said: Event) -> list[tuple[str, list[str]]]:
    return [
        (block["text"], [one["cited_text"] for one in block.get("citations") or ()])
        for block in said["content"]
        if block["type"] == "text"
    ]


def test_search_is_a_call_and_its_results() -> None:
    """A search shows its query and what was found, before the text that rests on it."""
    item = search(found("latest ruby", "https://a.test/x", "https://www.b.test/y"))
    said = both(item, message("Hi"), request=SEARCH)
    assert kinds(said) == ["server_tool_use", "web_search_tool_result", "text"]
    used, results = said["content"][:2]
    assert (used["name"], used["input"]) == ("web_search", {"query": "latest ruby"})
    assert used["id"] == results["tool_use_id"]
    assert used["id"].startswith("srvtoolu_")
    assert [(one["url"], one["title"]) for one in results["content"]] == [
        ("https://a.test/x", "a.test"),
        ("https://www.b.test/y", "b.test"),
    ]
    assert said["stop_reason"] == "end_turn"
    assert said["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}


@pytest.mark.parametrize(
    ("action", "query"),
    [
        ({"type": "search", "queries": ["first", "second"]}, "first"),
        ({"type": "search"}, ""),
        (None, ""),
    ],
)
def test_search_that_tells_little(action: Json, query: str) -> None:
    """The first of several queries stands for all; none is an empty one."""
    said = both(search(action), request=SEARCH)
    assert said["content"][0]["input"] == {"query": query}
    assert said["content"][1]["content"] == []


def test_failed_search() -> None:
    """A search that failed says so in Anthropic's words."""
    said = both(search(found("x"), status="failed"), request=SEARCH)
    error = said["content"][1]["content"]
    assert error == {"type": "web_search_tool_result_error", "error_code": "unavailable"}


@pytest.mark.parametrize(("request_", "fetches"), [(SEARCH, 0), (FETCH, 1)], ids=["search", "fetch"])
def test_opened_pages_are_counted_alone(request_: Json, fetches: int) -> None:
    """They bring no text; a client that asked for fetches is told how many there were."""
    opened = search({"type": "open_page", "url": "https://a.test/x"})
    looked = search({"type": "find_in_page", "url": "https://a.test/x", "pattern": "y"}, id="ws_2")
    said = both(search(found("x"), id="ws_0"), opened, looked, message("Hi"), request=request_)
    assert kinds(said) == ["server_tool_use", "web_search_tool_result", "text"]
    assert said["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": fetches}


def test_blocked_domains_are_left_out_of_results() -> None:
    """What the upstream would not block is left out here."""
    tool = SEARCH["tools"][0] | {"blocked_domains": ["a.test"]}
    item = search(found("x", "https://a.test/x", "https://sub.a.test/y", "https://nota.test/z"))
    said = collected(whole(item), request={"tools": [tool]}, quirks=ResponsesQuirks(blocked_domains=False))
    assert [one["url"] for one in said["content"][1]["content"]] == ["https://nota.test/z"]


def test_citation_parts_the_text() -> None:
    """The text up to a link is cited with the words before it; what follows is a block of its own."""
    said = both(message(LINKED, annotations=[LINK]), request=SEARCH)
    assert cited(said) == [("It is 4.0 ([a.test](https://a.test/x))", ["It is 4.0"]), (". More.", [])]
    (one,) = said["content"][0]["citations"]
    assert (one["type"], one["url"], one["title"]) == ("web_search_result_location", "https://a.test/x", "A")
    assert one["encrypted_index"].startswith("px1.o.")


def test_citation_of_the_words_that_it_marks() -> None:
    """An annotation that spans no link is of the words in its span."""
    said = both(message("It is 4.0. More.", annotations=[citation(start=3, end=10)]), request=SEARCH)
    assert cited(said) == [("It is 4.0.", ["is 4.0."]), (" More.", [])]


def test_long_texts_are_cited_by_their_end() -> None:
    """At most 150 characters are told, those next to the link."""
    said = both(message("x" * 200 + LINKED, annotations=[citation(start=210, end=238)]), request=SEARCH)
    assert cited(said)[0][1] == ["x" * 141 + "It is 4.0"]


def test_two_links_at_one_place() -> None:
    """Links that follow each other directly support what is before the first."""
    said = "It is. ([a](https://a.test/x)) ([b](https://b.test/y)) More."
    links = [citation(start=7, end=30), citation("https://b.test/y", start=31, end=54)]
    assert [len(citations) for _, citations in cited(both(message(said, annotations=links), request=SEARCH))] == [
        1,
        1,
        0,
    ]


@pytest.mark.parametrize("place", [{}, {"start": 0, "end": 0}, {"start": 9, "end": 3}, {"start": 900, "end": 950}])
def test_citation_without_a_sound_place(place: Json) -> None:
    """A list of sources, or numbers that are wrong, cite the whole text."""
    for answer in (
        [whole(message("It is 4.0.", annotations=[citation(**place), citation("https://b.test", **place)]))],
    ):
        said = collected(*answer, request=SEARCH)
        assert [text for text, _ in cited(said)] == ["It is 4.0."]
        assert len(said["content"][0]["citations"]) == 2


def test_places_counted_in_utf16() -> None:
    """Where the link is found only if emoji count twice, they do."""
    link, smiles = "([a](https://a.test/x))", "🙂" * 30
    said = f"{smiles} {link} More."
    for start in (31, 61):
        item = message(said, annotations=[citation(start=start, end=start + len(link))])
        parted = cited(collected(whole(item), request=SEARCH))
        assert [text for text, _ in parted] == [f"{smiles} {link}", " More."]


def test_citation_after_its_text() -> None:
    """An annotation that comes late marks the text that is open, and opens no block of its own."""
    stream = [added(0, message(None)), text(0, "It is 4.0."), annotation(0, citation()), done(0, message("It is 4.0."))]
    assert cited(streamed(*stream, completed(), request=SEARCH)) == [("It is 4.0.", ["It is 4.0."])]
    alone = [added(0, message(None)), annotation(0, citation()), completed()]
    assert streamed(*alone, request=SEARCH)["content"] == []


def test_citation_of_nothing() -> None:
    """A part without a text has nothing that could be cited."""
    assert collected(whole(message("", annotations=[citation()])), request=SEARCH)["content"] == []


def test_citation_of_a_text_that_was_streamed_without() -> None:
    """Annotations that only the whole item tells are not lost."""
    item = message(LINKED, annotations=[LINK])
    said = streamed(added(0, message(None)), text(0, LINKED), done(0, item), completed(), request=SEARCH)
    assert cited(said) == [(LINKED, ["It is 4.0"])]


@pytest.mark.parametrize("kind", ["file_citation", "container_file_citation", "file_path", "new"])
def test_other_annotations_are_passed_over(kind: str) -> None:
    """Files of the upstream's are nothing that a client could open."""
    other = {"type": kind, "file_id": "f_1", "index": 3, "url": "https://a.test"}
    said = collected(whole(message("Hi", annotations=[other])), request=SEARCH)
    assert said["content"] == [{"type": "text", "text": "Hi"}]


def test_stop_sequence_in_a_cited_text() -> None:
    """What is behind a stop sequence is neither shown nor cited."""
    item = message(LINKED, annotations=[LINK])
    said = both(item, request=SEARCH | {"stop_sequences": ["4.0"]})
    assert cited(said) == [("It is ", [])]


def code(status: str = "completed", outputs: Json = (), **members: Json) -> Json:
    return {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "status": status,
        "code": "print(1)",
        "container_id": "cntr_1",
        "outputs": outputs,
    } | members


def test_code_is_a_call_and_its_output() -> None:
    """Code shows what ran, what it printed, and where."""
    outputs = [{"type": "logs", "logs": "1\n"}, {"type": "image", "url": "data:x"}, {"type": "logs", "logs": "2"}]
    said = both(code(outputs=outputs), message("Hi"), request=CODE)
    assert kinds(said) == ["server_tool_use", "code_execution_tool_result", "text"]
    used, result = said["content"][:2]
    assert (used["name"], used["input"], used["id"]) == ("code_execution", {"code": "print(1)"}, result["tool_use_id"])
    assert result["content"] == {
        "type": "code_execution_result",
        "stdout": "1\n2",
        "stderr": "",
        "return_code": 0,
        "content": [],
    }
    assert said["container"] == {"id": "cntr_1", "expires_at": "2023-11-14T22:33:20Z"}
    assert said["stop_reason"] == "end_turn"


def test_failed_code_and_code_without_output() -> None:
    """A failure has a return code; outputs that were not asked for are none."""
    said = both(code(status="failed", outputs=None, code=None), request=CODE)
    assert said["content"][0]["input"] == {"code": ""}
    assert (said["content"][1]["content"]["return_code"], said["content"][1]["content"]["stdout"]) == (1, "")


def test_pieces_of_code_are_not_shown_before_their_end() -> None:
    """Code comes as one block, whether it was streamed or not."""
    pieces = [
        event("response.code_interpreter_call_code.delta", output_index=0, delta="print"),
        event("response.code_interpreter_call_code.done", output_index=0, code="print(1)"),
        event("response.code_interpreter_call.completed", output_index=0),
    ]
    stream = [added(0, code(code="", status="in_progress")), *pieces, done(0, code()), completed(code())]
    assert streamed(*stream, request=CODE)["content"] == both(code(), request=CODE)["content"]


MCP = {
    "mcp_servers": [{"type": "url", "name": "wiki", "url": "https://mcp.test/mcp"}],
    "tools": [{"type": "mcp_toolset", "mcp_server_name": "wiki"}],
}


def mcp(output: Any = "found", error: Any = None, server: str = "wiki") -> Json:
    return {
        "type": "mcp_call",
        "id": "mcp_1",
        "status": "completed",
        "name": "look",
        "server_label": server,
        "arguments": '{"at":1}',
        "output": output,
        "error": error,
    }


def test_call_of_an_mcp_server() -> None:
    """The call, its server by the client's name, and its result."""
    said = both({"type": "mcp_list_tools", "id": "mcpl_1", "tools": []}, mcp(), message("Hi"), request=MCP)
    assert kinds(said) == ["mcp_tool_use", "mcp_tool_result", "text"]
    used, result = said["content"][:2]
    assert (used["name"], used["server_name"], used["input"]) == ("look", "wiki", {"at": 1})
    assert used["id"] == result["tool_use_id"]
    assert used["id"].startswith("mcptoolu_")
    assert (result["is_error"], result["content"][0]["text"]) == (False, "found")


@pytest.mark.parametrize("error", ["no such page", {"type": "http_error", "code": 500}])
def test_failed_call_of_an_mcp_server(error: Any) -> None:
    """An error is the result, marked as one."""
    result = both(mcp(None, error), request=MCP)["content"][1]
    assert result["is_error"]
    assert "no such page" in result["content"][0]["text"] or '"code": 500' in result["content"][0]["text"]


def test_call_of_a_server_that_the_client_does_not_know() -> None:
    """A client that named no MCP server could not read such blocks."""
    assert both(mcp(server="other"), message("Hi"), request=MCP)["content"][0]["text"] == "Hi"
    assert kinds(both(mcp(), message("Hi"), request=ON)) == ["text"]


def test_server_tools_are_no_calls_of_the_client() -> None:
    """Only the client's own tools make it act."""
    said = both(
        search(found("x")),
        call(),
        request=SEARCH | {"tools": [*SEARCH["tools"], {"name": "look", "input_schema": {"type": "object"}}]},
    )
    assert (kinds(said)[-1], said["stop_reason"]) == ("tool_use", "tool_use")
    assert both(search(found("x")), request=SEARCH)["stop_reason"] == "end_turn"


def test_tools_of_the_upstream_that_nobody_asked_for() -> None:
    """Custom tools, shells and the like are never asked for: a client could not answer such a call."""
    custom = {"type": "custom_tool_call", "id": "c_1", "call_id": "call_9", "name": "x_search", "input": "{}"}
    stream = [
        added(0, custom),
        event("response.custom_tool_call_input.delta", output_index=0, delta="{}"),
        done(0, custom),
    ]
    said = streamed(*stream, text(1, "Hi"), completed(custom, message("Hi")))
    assert (kinds(said), said["stop_reason"]) == (["text"], "end_turn")


FORMAT = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}


def test_structured_output_that_rests_on_a_search_is_one_text() -> None:
    """JSON stays in one piece: the SDKs parse each text block of structured output."""
    said = '{"found": "4.0 ([a.test](https://a.test/x))", "more": true}'
    link = citation(start=15, end=43)
    item = search(found("x", "https://a.test/x"))
    message_ = both(item, message(said, annotations=[link]), request=SEARCH | FORMAT)
    assert kinds(message_) == ["server_tool_use", "web_search_tool_result", "text"]
    assert cited(message_) == [(said, [])]
    stream = [added(0, message(None)), text(0, said[:43]), annotation(0, link), text(0, said[43:])]
    ending = [done(0, message(said, annotations=[link])), completed(message(said, annotations=[link]))]
    assert cited(streamed(*stream, *ending, request=SEARCH | FORMAT)) == [(said, [])]
