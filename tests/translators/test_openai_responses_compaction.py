"""OpenAI sums up a long conversation for a client that asks for it, and gets its summary back."""

from __future__ import annotations

import json

import anthropic
import httpx2
import pytest
from anthropic.types.beta import BetaMessage

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.openai_responses.translator import OpenAIResponsesTranslator
from llm_to_anthropic.translators.translator import Learned
from tests.messages import parse_events
from tests.translators import chat_requests, gemini_requests
from tests.translators.chat_requests import assistant, call, result, text, user
from tests.translators.reading import check_slicings, feed, whole_message
from tests.translators.responses_answers import (
    OMITTED,
    added,
    both,
    carried,
    collected,
    completed,
    created,
    done,
    item_events,
    message,
    reasoning,
    stream_of,
    streamed,
    translator,
    whole,
)
from tests.translators.responses_answers import call as calls
from tests.translators.responses_requests import (
    LOCAL,
    PLAIN,
    Json,
    a_client,
    counted,
    encoded,
    items,
    lost,
    target,
    upstream,
)
from tests.translators.responses_requests import carried as sealed_thinking

EDIT = {"type": "compact_20260112"}
ITEM = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}
SENT = {"type": "compaction", "encrypted_content": "gAAAA"}
NEW = user(text("new"))


def edits(*asked: Json) -> Json:
    return {"context_management": {"edits": list(asked)}}


ASKED = edits(EDIT)


def compacted(*made: Json, **options: Json) -> Json:
    """A compaction block that carries an item."""
    sealed = sealed_thinking(*(made or (SENT,)), **options)["signature"]
    return {"type": "compaction", "content": None, "encrypted_content": sealed}


def words(said: str) -> Json:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": said}]}


OLD, NEWER = words("old"), words("new")


@pytest.mark.parametrize(
    ("edit", "threshold"),
    [
        (EDIT, 150_000),
        (EDIT | {"trigger": None}, 150_000),
        (EDIT | {"trigger": {"type": "input_tokens", "value": 60_000}}, 60_000),
        (EDIT | {"pause_after_compaction": False, "instructions": None}, 150_000),
    ],
)
def test_a_compaction_edit_is_openais_own(edit: Json, threshold: int) -> None:
    """OpenAI is asked to sum up from as many tokens on as the client says, without a loss, even strictly."""
    done = encoded(edits(edit), strict=True)
    assert upstream(edits(edit))["context_management"] == [{"type": "compaction", "compact_threshold": threshold}]
    assert (lost(done), done.encoding.compacts) == ([], True)


def test_a_request_without_the_edit_asks_for_no_compaction() -> None:
    """Nothing is said of it then."""
    requests: list[Json] = [{}, edits({"type": "clear_thinking_20251015"}), edits()]
    assert not any("context_management" in upstream(request) for request in requests)
    assert not any(encoded(request).encoding.compacts for request in requests)


@pytest.mark.parametrize(
    ("edit", "paths"),
    [
        (EDIT | {"instructions": "be brief"}, ["context_management.edits[0].instructions"]),
        (EDIT | {"pause_after_compaction": True}, ["context_management.edits[0].pause_after_compaction"]),
    ],
)
def test_what_openai_cannot_be_told_of_a_compaction_is_a_loss(edit: Json, paths: list[str]) -> None:
    """How to sum up, and to stop then, cannot be said; the rest of the edit is."""
    done = encoded(edits(edit))
    assert (lost(done), done.encoding.compacts) == (paths, True)
    with pytest.raises(ClientError, match=paths[0].rpartition(".")[2]):
        encoded(edits(edit), strict=True)


@pytest.mark.parametrize(
    "request_",
    [
        edits(EDIT | {"trigger": {"type": "tool_uses", "value": 3}}),
        edits(EDIT | {"trigger": {"type": "input_tokens", "value": "many"}}),
        {"context_management": "all"},
    ],
)
def test_an_edit_that_cannot_be_read_is_a_loss(request_: Json) -> None:
    """What says when to sum up in another way is left out, and told."""
    assert (lost(encoded(request_)), encoded(request_).encoding.compacts) == (["context_management"], False)


def test_other_edits_stay_what_they_were() -> None:
    """Clearing thinking is no loss and clearing tool uses is one, beside a compaction too."""
    others = {"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919", "trigger": {"type": "tool_uses"}}
    assert lost(encoded(edits(others[0], EDIT))) == []
    done = encoded(edits(*others, EDIT))
    assert (lost(done), done.encoding.compacts) == (["context_management"], True)


def test_a_compatible_server_is_not_asked_to_sum_up() -> None:
    """The edit is a loss there as with any other upstream."""
    assert "context_management" not in upstream(ASKED, "qwen3", LOCAL)
    assert lost(encoded(ASKED, "qwen3", LOCAL)) == ["context_management"]
    assert encoded(ASKED, PLAIN, LOCAL).encoding.compacts


def test_a_server_that_refuses_to_sum_up_is_not_asked_again() -> None:
    """What it refused is left out of the next try and told as a loss."""
    learned = Learned()
    refused = OpenAIResponsesTranslator(a_client(ASKED), target(), learned)
    assert b"context_management" in refused.encode().body
    error = {"message": "Unknown parameter: 'context_management'.", "param": "context_management", "code": "x"}
    body = json.dumps({"error": error}).encode()
    assert refused.heal(refused.decode_error(400, {}, body), body)
    again = OpenAIResponsesTranslator(a_client(ASKED), target(), learned)
    assert b"context_management" not in again.encode().body
    assert [loss.path for loss in again.losses] == ["context_management"]


def test_a_compaction_is_a_block_in_its_place() -> None:
    """What OpenAI made of the conversation travels with the client, between what it wrote before and after."""
    said = both(message("a"), ITEM, message("b"), request=ASKED)
    before, block, after = said["content"]
    assert (before["text"], after["text"]) == ("a", "b")
    assert (block["type"], block["content"], set(block)) == (
        "compaction",
        None,
        {"type", "content", "encrypted_content"},
    )
    assert carried({"signature": block["encrypted_content"]}) == [SENT]
    assert said["stop_reason"] == "end_turn"


def test_a_compaction_may_be_all_that_comes() -> None:
    """An answer of a compaction alone is one, also where only its end or only the stream's tells of it."""
    tellings = [
        [whole(ITEM)],
        stream_of(ITEM),
        [created(), added(0, ITEM), done(0, ITEM), completed()],
        [created(), completed(ITEM)],
    ]
    for told in tellings:
        for read in (streamed, collected):
            assert [block["type"] for block in read(*told, request=ASKED)["content"]] == ["compaction"]


def test_a_compaction_streams_as_anthropics_does() -> None:
    """It opens without content, brings what it holds in one delta, and closes."""
    events = parse_events(feed(translator(ASKED), stream_of(ITEM, message("a"))))
    told = [event for event in events if event.get("index") == 0]
    assert [event["type"] for event in told] == ["content_block_start", "content_block_delta", "content_block_stop"]
    assert told[0]["content_block"] == {"type": "compaction", "content": None}
    delta = told[1]["delta"]
    assert (delta["type"], delta["content"]) == ("compaction_delta", None)
    assert delta["encrypted_content"].startswith("px1.o.")


def test_a_compaction_reads_the_same_however_it_is_cut() -> None:
    """Whole, byte by byte and at any place."""
    data = b"".join(stream_of(reasoning("Hm."), ITEM, calls(), message("a"), ITEM))
    check_slicings(lambda: translator(ASKED), data, "compaction")


def test_a_compaction_waits_for_the_call_before_it() -> None:
    """An item that overlaps a call does not break into the call's block."""
    first, second = item_events(0, calls()), item_events(1, ITEM)
    cut = first.rindex(b"event: response.output_item.done")
    said = streamed(created(), first[:cut], second, first[cut:], completed(calls(), ITEM), request=ASKED)
    assert [block["type"] for block in said["content"]] == ["tool_use", "compaction"]


@pytest.mark.parametrize(
    "item", [{"type": "compaction"}, ITEM | {"encrypted_content": ""}, ITEM | {"encrypted_content": 1}]
)
def test_a_compaction_without_content_is_no_block(item: Json) -> None:
    """A client that gets a block may forget what came before."""
    assert [block["type"] for block in both(item, message("a"), request=ASKED)["content"]] == ["text"]


def test_a_compaction_too_large_to_travel_is_no_block() -> None:
    """Without what it holds it would stand for nothing."""
    large = ITEM | {"encrypted_content": "x" * 3_000_000}
    assert [block["type"] for block in collected(whole(large, message("a")), request=ASKED)["content"]] == ["text"]


def test_reasoning_before_a_compaction_does_not_come_after_it() -> None:
    """It is a part of what is summed up: a call that follows gets none of it."""
    said = both(reasoning(), ITEM, calls(), request=ASKED)
    assert [block["type"] for block in said["content"]] == ["compaction", "tool_use"]
    shown = both(reasoning(), ITEM, calls(), request=ASKED | OMITTED)
    assert [block["type"] for block in shown["content"]] == ["thinking", "compaction", "tool_use"]


def test_an_own_compaction_takes_the_place_of_what_it_sums_up() -> None:
    """OpenAI gets its item back, and of the conversation what follows it; so does its count of tokens."""
    turns = [user(text("old")), assistant(text("a"), compacted(ITEM), text("b")), NEW]
    said = {"type": "message", "role": "assistant", "content": "b"}
    assert items(*turns) == [SENT, said, NEWER]
    assert counted({"messages": turns})["input"] == [SENT, said, NEWER]
    assert lost(encoded({"messages": turns})) == []
    assert encoded({"messages": turns}).replayed


def test_a_conversation_may_begin_and_end_with_a_compaction() -> None:
    """Clients may forget what is summed up, and send the summary alone."""
    assert items(assistant(compacted()), NEW) == [SENT, NEWER]
    assert items(user(text("old")), assistant(compacted())) == [SENT]


def test_the_last_compaction_counts() -> None:
    """Of several the last says all; a text after an item, too."""
    newer = SENT | {"encrypted_content": "gBBBB"}
    assert items(assistant(compacted()), user(text("a")), assistant(compacted(newer)), NEW) == [newer, NEWER]
    texts = {"type": "compaction", "content": "sum"}
    assert items(assistant(compacted()), assistant(texts), NEW)[0] == words("<summary>\nsum\n</summary>")
    assert items(assistant(texts), assistant(compacted()), NEW) == [SENT, NEWER]


def test_calls_after_a_compaction_keep_their_results() -> None:
    """The turn goes on after the item as any other."""
    sent = items(user(text("old")), assistant(compacted(), call("t1")), user(result("t1")))
    assert [item["type"] for item in sent] == ["compaction", "function_call", "function_call_output"]


FOREIGN = [
    compacted(to=target(base_url="http://else.test/v1")),
    {"type": "compaction", "content": None, "encrypted_content": gemini_requests.carried({"k": "tx"})["signature"]},
    compacted({"type": "message", "role": "developer", "content": "obey"}),
    compacted({"type": "compaction"}),
]


@pytest.mark.parametrize("block", FOREIGN)
def test_a_compaction_of_another_upstream_leaves_the_conversation(block: Json) -> None:
    """What only another can read is left out and told, and nothing is cut off before it."""
    turns = [user(text("old")), assistant(block, text("b")), NEW]
    assert items(*turns)[::2] == [OLD, NEWER]
    assert lost(encoded({"messages": turns}, strict=True)) == ["messages[1].content[0]"]


def test_a_compaction_of_another_upstream_at_the_beginning_is_a_loss() -> None:
    """Nothing tells what it stood for: strict mode refuses it."""
    turns = [assistant(FOREIGN[0], text("b")), NEW]
    assert lost(encoded({"messages": turns})) == ["messages[0].content[0]"]
    with pytest.raises(ClientError, match="summary"):
        encoded({"messages": turns}, strict=True)
    done = chat_requests.encoded({"messages": turns})
    assert [loss.path for loss in done.encoding.losses] == ["messages[0].content[0]"]


def test_a_refused_compaction_is_left_out_of_one_more_try() -> None:
    """Where OpenAI cannot read its item any more, the conversation is sent as the client has it."""
    learned = Learned()
    client = a_client({"messages": [user(text("old")), assistant(compacted()), NEW]})
    refused = OpenAIResponsesTranslator(client, target(), learned)
    assert b"gAAAA" in refused.encode().body
    error = {
        "message": "The encrypted content for item cmp_1 could not be verified.",
        "code": "invalid_encrypted_content",
    }
    body = json.dumps({"error": error}).encode()
    assert refused.heal(refused.decode_error(400, {}, body), body)
    again = OpenAIResponsesTranslator(client, target(), learned).encode().body
    assert json.loads(again)["input"] == [OLD, NEWER]


def test_a_known_conversation_is_cut_as_well() -> None:
    """What was rendered before is not sent again once it is summed up."""
    learned = Learned()
    turns = [user(text("old")), assistant(text("a")), NEW]
    for messages, sent in ((turns, 3), ([*turns, assistant(compacted(), text("c")), NEW], 3)) * 2:
        body = OpenAIResponsesTranslator(a_client(ASKED | {"messages": messages}), target(), learned).encode().body
        assert len(json.loads(body)["input"]) == sent
        assert json.loads(body)["context_management"]


def test_the_official_sdk_reads_a_compaction() -> None:
    """Its types take the block, whole and streamed, and send it back as it came."""
    output = (ITEM, message("Hello."))
    events = feed(translator(ASKED), stream_of(*output))
    told = whole_message(translator(ASKED, stream=False), [whole(*output)])
    strict = BetaMessage.model_validate(told)
    answer = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=events)
    transport = httpx2.MockTransport(lambda _: answer)
    with (
        httpx2.Client(transport=transport) as http,
        anthropic.Anthropic(api_key="k", base_url="http://proxy.test", http_client=http, max_retries=0) as client,
        client.beta.messages.stream(
            model="claude-x",
            max_tokens=9,
            messages=[{"role": "user", "content": "hi"}],
            betas=["compact-2026-01-12"],
            context_management={"edits": [{"type": "compact_20260112"}]},
        ) as stream,
    ):
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["compaction", "text"]
    block = final.content[0].model_dump(mode="json", exclude_none=True)
    assert strict.content[0].model_dump(mode="json", exclude_none=True) == block
    assert block == {"type": "compaction", "encrypted_content": told["content"][0]["encrypted_content"]}
