"""Gemini's thoughts become thinking, and their signatures travel in it."""

from __future__ import annotations

import msgspec
import pytest

from llm_to_anthropic.providers.quirks import GeminiQuirks
from tests.translators.gemini_answers import (
    ADAPTIVE,
    CODE,
    OFF,
    SEARCH,
    Json,
    call,
    carried,
    chunk,
    kinds,
    streamed,
    target,
    text,
    texts,
    thought,
)


def test_thoughts_become_one_thinking_block() -> None:
    """A part marked as thought is thinking, and the text after it is a block of its own."""
    message = streamed(chunk(thought("a")), chunk(thought("b")), chunk(text("c"), finish="STOP"))
    assert kinds(message) == ["thinking", "text"]
    assert message["content"][0]["thinking"] == "ab"


def test_thoughts_after_text_are_a_new_block() -> None:
    """Thought, text, thought, text: four blocks in this order."""
    message = streamed(chunk(thought("a"), text("b")), chunk(thought("c")), chunk(text("d"), finish="STOP"))
    assert kinds(message) == ["thinking", "text", "thinking", "text"]


def test_signature_alone_does_not_make_a_thought() -> None:
    """A signed text is text."""
    message = streamed(chunk(text("408", thoughtSignature="c2ln"), finish="STOP"))
    assert texts(message) == "408"


def test_client_that_switched_thinking_off_gets_none() -> None:
    """With thinking disabled neither thoughts nor carriers are written."""
    parts = [thought("hm"), text("a", thoughtSignature="c2ln"), call(signature="c2ln")]
    assert kinds(streamed(chunk(*parts, finish="STOP"), request=OFF)) == ["text", "tool_use"]


def test_signature_of_a_call_signs_the_thoughts_before_it() -> None:
    """The thinking block stays open until the call has come, and carries its signature and id."""
    message = streamed(chunk(thought("hm")), chunk(call(args={"at": 1}, id="c1", signature="c2ln"), finish="STOP"))
    assert kinds(message) == ["thinking", "tool_use"]
    assert carried(message["content"][0]) == [{"k": "fc", "n": 0, "id": "c1", "sig": "c2ln"}]


def test_signature_of_a_call_without_thoughts_gets_a_block() -> None:
    """An empty thinking block directly before the call carries the signature."""
    message = streamed(chunk(text("so"), call(signature="c2ln"), finish="STOP"), request=ADAPTIVE)
    assert kinds(message) == ["text", "thinking", "tool_use"]
    assert message["content"][1]["thinking"] == ""
    assert carried(message["content"][1]) == [{"k": "fc", "n": 0, "sig": "c2ln"}]


def test_parallel_calls_share_one_carrier() -> None:
    """Of parallel calls the first alone is signed; one block before it carries what belongs to all."""
    message = streamed(chunk(call(id="a", signature="c2ln")), chunk(call(id="b"), finish="STOP"))
    assert kinds(message) == ["thinking", "tool_use", "tool_use"]
    assert carried(message["content"][0]) == [
        {"k": "fc", "n": 0, "id": "a", "sig": "c2ln"},
        {"k": "fc", "n": 1, "id": "b"},
    ]


@pytest.mark.parametrize(
    ("request_", "own"),
    [
        (SEARCH, [{"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "s1"}}, {"toolResponse": {"id": "s1"}}]),
        (CODE, [{"executableCode": {"code": "1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}]),
    ],
    ids=["search", "code"],
)
@pytest.mark.parametrize("thinking", [{}, ADAPTIVE], ids=["default", "adaptive"])
def test_call_behind_a_tool_of_google_keeps_its_signature(request_: Json, own: list[Json], thinking: Json) -> None:
    """One carrier before both holds the parts of Google's tool and what belongs to the call, also by default."""
    calls = [call(id="a", signature="c2ln"), call(id="b")]
    message = streamed(chunk(*own, *calls, finish="STOP"), request=request_ | thinking)
    first, *_ = message["content"]
    assert kinds(message).count("thinking") == 1
    assert [(item["k"], item.get("id"), item.get("sig")) for item in carried(first) if item["k"] == "fc"] == [
        ("fc", "a", "c2ln"),
        ("fc", "b", None),
    ]
    assert [item["parts"] for item in carried(first) if item["k"] == "raw"] == [own]


def test_call_behind_very_much_output_of_code_keeps_its_signature() -> None:
    """What Google ran may be too much for a carrier, which then holds what belongs to the call alone."""
    ran = [
        {"executableCode": {"code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "x" * (2 << 20)}},
    ]
    message = streamed(chunk(*ran, call(id="a", signature="c2ln"), finish="STOP"), request=CODE)
    assert carried(message["content"][0]) == [{"k": "fc", "n": 0, "id": "a", "sig": "c2ln"}]


def test_signature_on_an_empty_text_opens_no_block() -> None:
    """What comes after its text is let go: clients take the last block of a message for its answer."""
    message = streamed(chunk(text("done")), chunk(text("", thoughtSignature="c2ln"), finish="STOP"))
    assert kinds(message) == ["text"]


def test_signature_in_the_chunk_of_its_text_is_kept() -> None:
    """A carrier before the text takes the signature where that is known in time, as it is in whole answers."""
    parts = [text("do"), text("ne"), text("", thoughtSignature="c2ln")]
    message = streamed(chunk(*parts, finish="STOP"), request=ADAPTIVE)
    assert kinds(message) == ["thinking", "text"]
    assert carried(message["content"][0]) == [{"k": "tx", "n": 0, "sig": "c2ln"}]


def test_client_that_did_not_ask_for_thinking_gets_no_thoughts_amid_its_answer() -> None:
    """Such a client meets an empty thinking block only where a call begins the message, whose signature it holds."""
    parts = [text("a", thoughtSignature="c2ln"), call(signature="c2ln")]
    assert kinds(streamed(chunk(*parts, finish="STOP"))) == ["text", "tool_use"]
    assert kinds(streamed(chunk(call(signature="c2ln"), finish="STOP"))) == ["thinking", "tool_use"]


def test_signature_of_a_text_after_thoughts_signs_them() -> None:
    """Where thoughts are open, the text's signature needs no block of its own."""
    message = streamed(chunk(thought("hm")), chunk(text("done", thoughtSignature="c2ln"), finish="STOP"))
    assert kinds(message) == ["thinking", "text"]
    assert carried(message["content"][0]) == [{"k": "tx", "n": 0, "sig": "c2ln"}]


def test_signature_of_a_thought_serves_the_call_that_has_none() -> None:
    """Thoughts do not go back, so their signature stands for the first call after them."""
    message = streamed(chunk(thought("hm", thoughtSignature="c2ln")), chunk(call(), finish="STOP"))
    assert carried(message["content"][0]) == [{"k": "fc", "n": 0, "sig": "c2ln"}]


def test_carrier_names_the_back_end() -> None:
    """Signatures of Vertex AI are bound to it."""
    quirks = GeminiQuirks(backend="vertex")
    message = streamed(chunk(call(signature="c2ln"), finish="STOP"), quirks=quirks)
    assert msgspec.structs.asdict(target(quirks).gemini)["backend"] == "vertex"
    assert kinds(message) == ["thinking", "tool_use"]
