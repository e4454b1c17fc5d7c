"""What a server sends beside its calls goes back with them: Gemini refuses calls without their thought signatures."""

from __future__ import annotations

import json

import msgspec
import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from llm_to_anthropic.translators.translator import Learned
from llm_to_anthropic.wire.gemini import BYPASS
from tests.messages import Event
from tests.translators.chat_answers import DONE, call, collected, delta, kinds, streamed, translator, whole
from tests.translators.chat_requests import HI, Json, assistant, messages, result, user

ADAPTIVE = {"thinking": {"type": "adaptive"}}
OFF = {"thinking": {"type": "disabled"}}
SIGNED = {"google": {"thought_signature": "c2lnbmVk"}}
FINISH = delta("tool_calls")


def signed_call(index: int | None = 0, id: str = "a", extra: Json = SIGNED) -> Json:
    return call(index, id=id, name="look", arguments="{}") | {"extra_content": extra}


def sent_back(message: Event) -> Json:
    """The assistant's message of the next turn as the server gets it."""
    ids = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    done = messages(*HI, assistant(*message["content"]), user(*(result(id, "r") for id in ids)))
    return done[1]


def extras(message: Event) -> list[Json]:
    return [made.get("extra_content") for made in sent_back(message)["tool_calls"]]


ANSWERS = [
    ([delta(tool_calls=[signed_call()])], whole("tool_calls", tool_calls=[signed_call(None)])),
    (
        [delta(reasoning_content="Hm"), delta(tool_calls=[signed_call()])],
        whole("tool_calls", reasoning_content="Hm", tool_calls=[signed_call(None)]),
    ),
    (
        [delta(content="Let me"), delta(content=" see."), delta(tool_calls=[signed_call()])],
        whole("tool_calls", content="Let me see.", tool_calls=[signed_call(None)]),
    ),
]


@pytest.mark.parametrize(("chunks", "answer"), ANSWERS, ids=["alone", "after thinking", "after text"])
def test_what_comes_with_a_call_goes_back_with_it(chunks: list[bytes], answer: bytes) -> None:
    """Gemini's signature stands on the same call in the next turn, wherever in the message it came."""
    told, at_once = streamed(*chunks, FINISH, DONE, request=ADAPTIVE), collected(answer, request=ADAPTIVE)
    assert extras(told) == extras(at_once) == [SIGNED]
    assert kinds(told) == kinds(at_once)


def test_the_first_of_parallel_calls_is_signed_alone() -> None:
    """Parallel calls keep apart what came with which, though only one block of thinking stands before them."""
    message = streamed(
        delta(tool_calls=[signed_call(0)]),
        delta(tool_calls=[call(1, id="b", name="look", arguments="{}")]),
        FINISH,
        DONE,
        request=ADAPTIVE,
    )
    assert kinds(message) == ["thinking", "tool_use", "tool_use"]
    assert extras(message) == [SIGNED, None]


def test_each_of_parallel_calls_may_be_signed() -> None:
    """A gateway may sign all of them."""
    other = {"vertex": {"thought_signature": "b3RoZXI="}}
    message = streamed(delta(tool_calls=[signed_call(0), signed_call(1, "b", other)]), FINISH, DONE, request=ADAPTIVE)
    assert extras(message) == [SIGNED, other]


def test_client_without_thinking_gets_the_signature_at_the_beginning_alone() -> None:
    """A block of thinking amid a message would surprise a client that asked for none."""
    assert extras(streamed(delta(tool_calls=[signed_call()]), FINISH, DONE, request=OFF)) == [SIGNED]
    message = streamed(delta(content="See."), delta(tool_calls=[signed_call()]), FINISH, DONE, request=OFF)
    assert kinds(message) == ["text", "tool_use"]


def test_calls_without_anything_beside_them_stay_alone() -> None:
    """No empty thinking stands before calls of servers that send nothing with them, or null."""
    message = streamed(delta(tool_calls=[signed_call(extra=None)]), FINISH, DONE, request=ADAPTIVE)
    assert kinds(message) == ["tool_use"]
    assert extras(message) == [None]


def test_signature_survives_odd_types_beside_it() -> None:
    """An answer that has to be read loosely keeps what comes with its calls."""
    odd = signed_call() | {"index": "0"}
    assert extras(streamed(delta(tool_calls=[odd]), FINISH, DONE, request=ADAPTIVE)) == [SIGNED]


def test_numbers_are_those_of_the_message() -> None:
    """Two messages of the assistant in a row become one, and each call keeps its own."""
    first = streamed(delta(tool_calls=[signed_call(0, "a")]), FINISH, DONE, request=ADAPTIVE)
    other = {"google": {"thought_signature": "b3RoZXI="}}
    second = streamed(delta(tool_calls=[signed_call(0, "b", other)]), FINISH, DONE, request=ADAPTIVE)
    turns = (assistant(*first["content"]), assistant(*second["content"]))
    done = messages(*HI, *turns, user(result("a", "r"), result("b", "r")))
    assert [made["extra_content"] for made in done[1]["tool_calls"]] == [SIGNED, other]


def test_refused_signatures_of_calls_are_left_out_once() -> None:
    """A signature that Google cannot read any more ends no conversation."""
    message = streamed(delta(tool_calls=[signed_call()]), FINISH, DONE, request=ADAPTIVE)
    history = {"messages": [*HI, assistant(*message["content"]), user(result("a", "r"))]}
    learned = Learned()
    made = translator(history, ChatQuirks(), learned=learned)
    assert b"c2lnbmVk" in made.encode().body
    refusal = json.dumps([{"error": {"code": 400, "message": "Corrupted thought signature."}}]).encode()
    assert made.heal(made.decode_error(400, {}, refusal), refusal)
    assert b"extra_content" not in made.encode().body


def unsigned_history() -> list[Json]:
    calls: list[Json] = [{"type": "tool_use", "id": id, "name": "look", "input": {}} for id in ("toolu_1", "toolu_2")]
    return [*HI, assistant(*calls), user(result("toolu_1", "r"), result("toolu_2", "r"))]


def test_calls_of_another_model_get_the_stand_in() -> None:
    """After a change to Gemini 3 the first of the calls that Claude made has the value that Google documents."""
    done = messages(*unsigned_history(), quirks=ChatQuirks(call_signatures="extra_content"))
    first, second = done[1]["tool_calls"]
    assert first["extra_content"] == {"google": {"thought_signature": BYPASS}}
    assert "extra_content" not in second


def test_own_signature_needs_no_stand_in() -> None:
    """The signature that came with a call is worth more than one that stands in for it."""
    message = streamed(delta(tool_calls=[signed_call()]), FINISH, DONE, request=ADAPTIVE)
    turns = [*HI, assistant(*message["content"]), user(result("a", "r"))]
    done = messages(*turns, quirks=ChatQuirks(call_signatures="extra_content"))
    assert done[1]["tool_calls"][0]["extra_content"] == SIGNED


def test_stand_in_is_a_detail_where_signatures_are() -> None:
    """OpenRouter has Gemini's signatures in details of the message, which name the first call."""
    quirks = ChatQuirks(reasoning_details=True, call_signatures="reasoning_details")
    done = messages(*unsigned_history(), *HI, assistant({"type": "text", "text": "a"}), *HI, quirks=quirks)
    stand_in = {"type": "reasoning.encrypted", "data": BYPASS, "id": "toolu_1", "format": "google-gemini-v1"}
    assert done[1]["reasoning_details"] == [stand_in | {"index": 0}]
    assert [list(message) for message in done[-2:]] == [["role", "content"]] * 2


def test_own_details_need_no_stand_in() -> None:
    """Details with a signature in them go back as they came, those without one get the stand-in beside them."""
    quirks = ChatQuirks(reasoning_details=True, call_signatures="reasoning_details")
    sealed = {"type": "reasoning.encrypted", "data": "q83v", "id": "a", "format": "google-gemini-v1"}
    plain = {"type": "reasoning.text", "text": "Hm", "format": "google-gemini-v1"}
    for details in ([plain, sealed], [plain]):
        chunk = delta(reasoning_details=details, tool_calls=[call(0, id="a", name="look", arguments="{}")])
        message = streamed(chunk, FINISH, DONE, request=ADAPTIVE, quirks=quirks)
        done = messages(*HI, assistant(*message["content"]), user(result("a", "r")), quirks=quirks)
        assert done[1]["reasoning_details"][: len(details)] == details
        assert [detail.get("data") for detail in done[1]["reasoning_details"]][1:] in (["q83v"], [BYPASS])


def test_only_objects_go_back() -> None:
    """A carrier that a client has made up brings no other JSON into a request."""
    item = msgspec.Raw(b'{"k":"call","n":0,"x":"text"}')
    signature = encode_carrier(Carrier(vendor="c", provider="acme", model="acme-1", items=[item]))
    thinking = {"type": "thinking", "thinking": "", "signature": signature}
    made = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    done = messages(*HI, assistant(thinking, made), user(result("a", "r")))
    assert "extra_content" not in done[1]["tool_calls"][0]
