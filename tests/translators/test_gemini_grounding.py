"""Searches behind an answer become search blocks and citations, cut by UTF-8 bytes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.messages import sdk_message
from tests.translators.gemini_answers import (
    ADAPTIVE,
    CODE,
    FETCH,
    SEARCH,
    call,
    chunk,
    kinds,
    streamed,
    text,
    texts,
    thought,
    translator,
)
from tests.translators.reading import feed

Json = Any

TEXT = "Zürich ist schön. Bern auch. Ende."


def segment(
    words: str, *, start: int = -1, whole: str = TEXT, cited: tuple[int, ...] = (0,), told: bool = True
) -> Json:
    place = whole.encode().index(words.encode()) if start < 0 else start
    found: Json = {"startIndex": place, "endIndex": place + len(words.encode())}
    if told:
        found["text"] = words
    if not place:
        del found["startIndex"]
    return {"segment": found, "groundingChunkIndices": list(cited)}


def grounding(*supports: Json, queries: list[str] | None = None, chunks: list[Json] | None = None) -> Json:
    web = [{"web": {"uri": f"http://search.test/{site}", "title": site}} for site in ("a.test", "b.test")]
    return {
        "webSearchQueries": queries if queries is not None else ["q1"],
        "groundingChunks": chunks if chunks is not None else web,
        "groundingSupports": list(supports),
    }


def cited(message: Json) -> list[tuple[str, list[str]]]:
    return [
        (block["text"], [citation["title"] for citation in block.get("citations") or []])
        for block in message["content"]
        if block["type"] == "text"
    ]


def grounded(*supports: Json, request: Json | None = None, **members: Json) -> Json:
    last = chunk(text(TEXT[9:]), finish="STOP", groundingMetadata=grounding(*supports, **members))
    return streamed(chunk(text(TEXT[:9])), last, request=request or SEARCH)


@pytest.mark.parametrize("told", [True, False], ids=["text told", "offsets alone"])
def test_text_is_cut_by_bytes(told: bool) -> None:
    """Offsets count bytes of UTF-8, over all chunks of a stream, and no character is lost."""
    message = grounded(segment("Zürich ist schön.", told=told), segment("Bern auch.", cited=(0, 1), told=told))
    assert cited(message) == [
        ("Zürich ist schön. ", ["a.test"]),
        ("Bern auch.", ["a.test", "b.test"]),
        (" Ende.", []),
    ]


def test_white_space_before_the_first_citation_stays_there() -> None:
    """It is no block of its own, and moves behind nothing: the text that is cited begins with it."""
    said = "\n\nBern auch. Ende."
    found = grounding(segment("Bern auch.", whole=said))
    message = streamed(chunk(text(said), finish="STOP", groundingMetadata=found), request=SEARCH)
    assert cited(message) == [("\n\nBern auch.", ["a.test"]), (" Ende.", [])]


def test_search_stands_before_the_text() -> None:
    """Each query is a call with its results, all before the text; the first has them all."""
    message = grounded(segment("Bern auch."), queries=["q1", "q2"])
    assert kinds(message)[:4] == ["server_tool_use", "web_search_tool_result"] * 2
    assert [block["input"] for block in message["content"][:4:2]] == [{"query": "q1"}, {"query": "q2"}]
    first, second = message["content"][1], message["content"][3]
    assert [result["title"] for result in first["content"]] == ["a.test", "b.test"]
    assert second["content"] == []
    assert first["tool_use_id"] == message["content"][0]["id"]
    assert message["stop_reason"] == "end_turn"


def test_searches_are_counted() -> None:
    """The usage tells how many searches there were."""
    usage = grounded(queries=["q1", "q2"])["usage"]
    assert usage["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 0}


def test_citation_holds_the_cited_text() -> None:
    """A citation has the words that it stands for, 150 characters of them at most."""
    long = "word " * 50
    last = chunk(text(long), finish="STOP", groundingMetadata=grounding(segment(long, whole=long)))
    citation = streamed(last, request=SEARCH)["content"][-1]["citations"][0]
    assert citation["cited_text"] == long[:150]
    assert citation["encrypted_index"]


def test_overlapping_segments_share_the_text() -> None:
    """Where segments overlap each character is written once, and the later one keeps the rest."""
    message = grounded(segment("Zürich ist schön."), segment("schön. Bern auch.", cited=(1,)))
    assert cited(message) == [("Zürich ist schön.", ["a.test"]), (" Bern auch.", ["b.test"]), (" Ende.", [])]


def test_segment_within_another_adds_its_citation() -> None:
    """A segment inside another cannot be cut out again; its source is cited with the outer one."""
    message = grounded(segment("Zürich ist schön."), segment("ist", cited=(1,)))
    assert cited(message)[0] == ("Zürich ist schön.", ["a.test", "b.test"])


def test_wrong_offsets_are_found_by_their_words() -> None:
    """Offsets that do not fit, as those of later parts, give way to the words."""
    assert cited(grounded(segment("Bern auch.", start=1)))[1] == ("Bern auch.", ["a.test"])


@pytest.mark.parametrize(
    "support",
    [
        {"segment": {"startIndex": 5, "endIndex": 2}, "groundingChunkIndices": [0]},
        {"segment": {"endIndex": 9999, "text": "not there"}, "groundingChunkIndices": [0]},
        {"segment": {"endIndex": 4}, "groundingChunkIndices": [7]},
        {"segment": {}, "groundingChunkIndices": [0]},
        {},
    ],
)
def test_broken_support_leaves_the_text_alone(support: Json) -> None:
    """What cannot be placed is no reason to lose text."""
    assert cited(grounded(support)) == [(TEXT, [])]


def test_domains_are_filtered() -> None:
    """Results and citations outside the allowed domains, or of blocked ones, are left out."""
    supports = segment("Bern auch.", cited=(0, 1))
    for limits in ({"allowed_domains": ["b.test"]}, {"blocked_domains": ["a.test"]}):
        tool = SEARCH["tools"][0] | limits
        message = grounded(supports, request={"tools": [tool]})
        assert [result["title"] for result in message["content"][1]["content"]] == ["b.test"]
        assert ("Bern auch.", ["b.test"]) in cited(message)


def test_subdomains_belong_to_a_domain() -> None:
    """A filter holds for everything below its domain."""
    chunks = [
        {"web": {"uri": "http://x.test/1", "title": "docs.a.test"}},
        {"web": {"uri": "http://x.test/2", "title": "na.test"}},
    ]
    tool = SEARCH["tools"][0] | {"allowed_domains": ["a.test"]}
    message = grounded(chunks=chunks, request={"tools": [tool]})
    assert [result["title"] for result in message["content"][1]["content"]] == ["docs.a.test"]


def test_thoughts_are_not_held_back() -> None:
    """While text waits for the search, thoughts before it already reach the client."""
    made = translator(SEARCH)
    assert b"thinking_delta" in made.receive_data(chunk(thought("hm")))
    assert made.receive_data(chunk(text("a"))) == b""
    assert b"text_delta" in made.receive_data(chunk(finish="STOP")) + made.receive_eof()


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        pytest.param(
            ({"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"output": "1"}}),
            ["server_tool_use", "code_execution_tool_result"],
            id="code that Google ran",
        ),
        pytest.param((call(),), ["tool_use"], id="a call"),
    ],
)
def test_what_stands_before_a_text_stays_before_it(parts: tuple[Json, ...], told: list[str]) -> None:
    """Where text waits for its searches, what the model did before it is not told after it."""
    both = {"tools": SEARCH["tools"] + CODE["tools"]}
    message = streamed(chunk(text("I see. ")), chunk(*parts), chunk(text("Done."), finish="STOP"), request=both)
    assert [kind for kind in kinds(message) if kind != "thinking"] == ["text", *told, "text"]


def test_answer_without_a_search_has_no_search_blocks() -> None:
    """Where the model did not search, the text alone is written."""
    message = streamed(chunk(text("a"), finish="STOP", groundingMetadata={}), request=SEARCH)
    assert kinds(message) == ["text"]
    assert message["usage"].get("server_tool_use") is None


def test_grounding_that_nobody_asked_for_is_passed_over() -> None:
    """Without a web search tool the text stays whole."""
    last = chunk(text(TEXT), finish="STOP", groundingMetadata=grounding(segment("Bern auch.")))
    assert streamed(last)["content"] == [{"type": "text", "text": TEXT}]


def test_stop_sequence_ends_a_cited_text() -> None:
    """Stop sequences hold for cited text too."""
    message = grounded(segment("Zürich ist schön."), request=SEARCH | {"stop_sequences": ["auch"]})
    assert texts(message) == "Zürich ist schön. Bern "
    assert message["stop_reason"] == "stop_sequence"


def test_search_told_by_a_part() -> None:
    """A search that stands among the parts, as beside function calls, is told without metadata."""
    search = {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "s1", "args": {"queries": ["q1"]}}}
    found = {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "id": "s1", "response": {}}}
    message = streamed(chunk(search, found, call(signature="c2ln"), finish="STOP"), request=SEARCH | ADAPTIVE)
    assert kinds(message) == ["thinking", "server_tool_use", "web_search_tool_result", "tool_use"]
    assert message["content"][1]["input"] == {"query": "q1"}
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("URL_RETRIEVAL_STATUS_SUCCESS", "web_fetch_result"),
        ("URL_RETRIEVAL_STATUS_ERROR", "web_fetch_tool_result_error"),
        ("URL_RETRIEVAL_STATUS_PAYWALL", "web_fetch_tool_result_error"),
    ],
)
def test_fetched_page(status: str, kind: str) -> None:
    """A page that Google read, or could not, is a web_fetch call with its result, told once."""
    page = {"urlMetadata": [{"retrievedUrl": "http://a.test/", "urlRetrievalStatus": status}]}
    message = streamed(
        chunk(text("a"), urlContextMetadata=page),
        chunk(text("b"), finish="STOP", urlContextMetadata=page),
        request=FETCH,
    )
    assert kinds(message) == ["server_tool_use", "web_fetch_tool_result", "text"]
    assert message["content"][0]["input"] == {"url": "http://a.test/"}
    assert message["content"][1]["content"]["type"] == kind
    assert message["usage"]["server_tool_use"]["web_fetch_requests"] == 1


@pytest.mark.parametrize("then", ["call", "code"])
@pytest.mark.parametrize("told", [True, False], ids=["metadata at the end", "no metadata"])
def test_page_stands_before_what_follows_it(then: str, *, told: bool) -> None:
    """A fetch that stands among the parts keeps its place before the call, or the code, that rests on it."""
    fetch = {"toolCall": {"toolType": "URL_CONTEXT", "id": "u1", "args": {"urls": ["http://a.test/"]}}}
    read = {"toolResponse": {"toolType": "URL_CONTEXT", "id": "u1", "response": {}}}
    page = {"urlMetadata": [{"retrievedUrl": "http://a.test/", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"}]}
    following = [call()] if then == "call" else [{"executableCode": {"code": "1"}}]
    last = chunk(finish="STOP", **({"urlContextMetadata": page} if told else {}))
    message = streamed(chunk(fetch, read), chunk(*following), last, request=FETCH)
    uses = [block for block in message["content"] if block["type"] in ("tool_use", "server_tool_use")]
    assert [block["name"] for block in uses] == ["web_fetch", "look" if then == "call" else "code_execution"]
    assert message["usage"]["server_tool_use"]["web_fetch_requests"] == 1


def test_structured_output_that_rests_on_a_search_is_one_text() -> None:
    """JSON stays in one piece: the SDKs parse each text block of structured output."""
    schema = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}
    said = '{"city": "Bern", "open": true}'
    found = grounding(segment('"Bern"', whole=said))
    slices = [chunk(text(said[:12])), chunk(text(said[12:]), finish="STOP", groundingMetadata=found)]
    message = streamed(*slices, request=SEARCH | schema)
    assert kinds(message) == ["server_tool_use", "web_search_tool_result", "text"]
    assert cited(message) == [(said, [])]


def test_official_sdk_reads_citations() -> None:
    """The official SDK rebuilds search blocks and citations alike from the stream and the whole message."""
    slices = [chunk(text(TEXT), finish="STOP", groundingMetadata=grounding(segment("Zürich ist schön.")))]
    made, other = translator(SEARCH), translator(SEARCH, stream=False)
    read = sdk_message(feed(made, slices), stream=True)
    feed(other, slices)
    collected = sdk_message(other.message(), stream=False)
    assert read["content"][2]["citations"] == collected["content"][2]["citations"]
    assert read["content"][:2] == collected["content"][:2]
    assert read["usage"]["server_tool_use"]["web_search_requests"] == 1
