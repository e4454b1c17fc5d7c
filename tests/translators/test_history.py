"""The order of a conversation, and what becomes of a broken one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.history import History, read_history
from llm_to_anthropic.translators.losses import LossReport
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.wire.anthropic import TextBlock, ToolUseBlock
from tests.translators.chat_requests import assistant, call, image, result, text, user

Json = Any
HELLO = user(text("hello"))


def system(*blocks: Json, **rest: Json) -> Json:
    return {"role": "system", "content": list(blocks)} | rest


def read(*turns: Json, strict: bool = False, api_version: str = "2023-06-01") -> tuple[History, list[str]]:
    """The history of a conversation and the paths of what was repaired or lost."""
    request = decode_request(msgspec.json.encode({"model": "m", "max_tokens": 1, "messages": list(turns)}))
    losses = LossReport(strict=strict, model="m")
    history = read_history(request, losses, api_version=api_version)
    losses.check()
    return history, [loss.path for loss in losses.losses]


def shape(history: History) -> list[str]:
    """One line per turn: role, results, texts."""
    lines = []
    for turn in history.turns:
        results = [f"{each.call.id}={_words(each.content)}" for each in turn.results]
        lines.append(" ".join([turn.role, *results, _words(turn.blocks)]).strip())
    return lines


def _words(blocks: Json) -> str:
    return "|".join(each.block.text if isinstance(each.block, TextBlock) else "#" for each in blocks)


def test_a_sound_conversation_is_left_alone() -> None:
    """Calls and results in their order need no repair."""
    history, losses = read(HELLO, assistant(text("I look"), call("a")), user(result("a"), text("and?")))
    assert shape(history) == ["user hello", "assistant I look|#", "user a=done and?"]
    assert losses == []


def test_results_follow_the_order_of_their_calls() -> None:
    """Results of parallel calls may come in any order within their message."""
    history, losses = read(HELLO, assistant(call("a"), call("b")), user(result("b", "2"), result("a", "1")))
    assert shape(history)[-1] == "user a=1 b=2"
    assert losses == []


def test_results_spread_over_neighbours_are_gathered() -> None:
    """Adjacent messages of one role count as one, for calls and for results."""
    history, losses = read(
        HELLO, assistant(call("a")), assistant(call("b")), user(result("a", "1")), user(result("b", "2"), text("x"))
    )
    assert shape(history) == ["user hello", "assistant #|#", "user a=1 b=2", "user x"]
    assert losses == []


def test_missing_results_are_made_up() -> None:
    """A call without a result gets one that says so, and the call is named."""
    history, losses = read(HELLO, assistant(call("a"), call("b")), user(result("b"), text("x")))
    assert shape(history)[-1] == "user a=[no result] b=done x"
    assert losses == ["messages[1].content[0]"]


@pytest.mark.parametrize("after", [[], [assistant(text("on"))]], ids=["at the end", "before the assistant"])
def test_calls_without_any_answer_get_one(after: list[Json]) -> None:
    """Where no user message follows the calls, one is made."""
    history, losses = read(HELLO, assistant(call("a")), system(text("note")), *after)
    assert shape(history)[1:4] == ["assistant #", "user a=[no result]", "system note"]
    assert losses == ["messages[1].content[0]"]


def test_orphaned_results_become_text() -> None:
    """A result that answers no call keeps its content as ordinary content."""
    history, losses = read(user(result("gone", [text("sunny"), image()]), text("so?")))
    assert shape(history) == ["user [result of tool call gone]|sunny|#|so?"]
    assert losses == ["messages[0].content[0]"]


def test_a_second_result_for_one_call_becomes_text() -> None:
    """Only the first result answers a call."""
    history, losses = read(HELLO, assistant(call("a")), user(result("a", "1"), result("a", "2")))
    assert shape(history)[-1] == "user a=1 [result of tool call a]|2"
    assert losses == ["messages[2].content[1]"]


def test_results_after_other_content_are_moved_and_reported() -> None:
    """Upstreams take results directly after the calls only."""
    history, losses = read(HELLO, assistant(call("a")), user(text("before"), result("a")))
    assert shape(history)[-1] == "user a=done before"
    assert losses == ["messages[2].content[1]"]


def test_a_system_message_between_call_and_result_moves_behind() -> None:
    """Nothing may stand between a call and its result."""
    history, _ = read(HELLO, assistant(call("a")), system(text("note")), user(result("a")))
    assert shape(history)[1:] == ["assistant #", "user a=done", "system note"]


def test_an_id_used_twice_stays_paired() -> None:
    """Clients of some models count calls per turn; each result stays with its own call, under an id of its own."""
    history, losses = read(
        HELLO, assistant(call("c")), user(result("c", "1")), assistant(call("c"), call("c")), user(result("c", "2"))
    )
    assert shape(history)[2::2] == ["user c=1", "user c-2=2 c-3=[no result]"]
    assert losses == ["messages[3].content[1]"]


def test_empty_texts_and_messages_are_left_out() -> None:
    """Text blocks without text and messages without content, which upstreams refuse, are left out and reported."""
    history, losses = read(user(text(" "), text("x")), assistant(text("")), {"role": "user", "content": ""}, HELLO)
    assert shape(history) == ["user x", "user hello"]
    assert losses == ["messages[0].content[0]", "messages[1].content[0]", "messages[2].content"]


def test_an_empty_last_assistant_message_is_no_error() -> None:
    """Anthropic allows the final assistant message to be empty, in strict mode too."""
    history, losses = read(HELLO, {"role": "assistant", "content": []}, strict=True)
    assert (shape(history), losses) == (["user hello"], [])


def test_spaces_between_an_assistants_texts_stay() -> None:
    """White space between the texts of an assistant is part of what it wrote."""
    history, losses = read(HELLO, assistant(text("a"), text(" "), text("b")))
    assert (shape(history)[1], losses) == ("assistant a| |b", [])


def test_compaction_replaces_what_came_before() -> None:
    """Everything before the last compaction block is what it sums up; its text is sent in place."""
    history, losses = read(
        user(text("old")),
        assistant(call("a"), {"type": "compaction", "content": "We met."}, text("so")),
        user(text("new")),
    )
    assert shape(history) == ["user <summary>\nWe met.\n</summary>", "assistant so", "user new"]
    assert losses == []


def test_a_compaction_without_content_is_nothing() -> None:
    """A failed compaction has null content and changes nothing."""
    history, _ = read(HELLO, assistant({"type": "compaction", "content": None}, text("x")), HELLO)
    assert shape(history) == ["user hello", "assistant x", "user hello"]


def test_the_last_effort_of_system_messages_counts() -> None:
    """A system message may carry only output_config; it gives no turn."""
    quiet = {"role": "system", "output_config": {"effort": "low"}}
    history, _ = read(HELLO, quiet, HELLO, {**quiet, "output_config": {"effort": "max"}})
    assert (history.effort, len(history.turns)) == ("max", 2)


def test_an_unknown_effort_of_a_system_message_is_told_and_the_one_before_counts() -> None:
    """A level newer than this version takes no known one away, and does not vanish without a word."""
    quiet, newer = ({"role": "system", "output_config": {"effort": level}} for level in ("low", "ultra"))
    history, losses = read(HELLO, quiet, HELLO, newer)
    assert (history.effort, losses) == ("low", ["messages[3].output_config.effort"])


def test_a_system_message_for_one_turn_is_gone_after_it() -> None:
    """Agents append such a reminder to each tool result and leave the old ones: the model sees the last alone."""
    reminder = system(text("note"), clear_at="next_user_message")
    turns = [HELLO, reminder, assistant(call("a")), user(result("a")), reminder]
    history, losses = read(*turns, strict=True)
    assert shape(history) == ["user hello", "assistant #", "user a=done", "system note"]
    assert losses == []
    assert shape(read(*turns[:2], assistant(text("I")))[0]) == ["user hello", "system note", "assistant I"]
    assert shape(read(HELLO, reminder, HELLO)[0]) == ["user hello", "system note", "user hello"]
    lasting = system(text("rule"), clear_at="never")
    assert shape(read(HELLO, lasting, HELLO)[0]) == ["user hello", "system rule", "user hello"]


def test_unknown_blocks_of_an_assistant_are_left_out_and_reported() -> None:
    """An assistant's block of a type that nobody knows does not fail the request."""
    history, losses = read(HELLO, assistant({"type": "hologram"}, text("x")))
    assert (shape(history)[1], losses) == ("assistant x", ["messages[1].content[0]"])


def test_what_a_system_message_cannot_do_is_reported() -> None:
    """Blocks and tools that a system message cannot bring are left out and named."""
    server = {"type": "tool_addition", "tool": {"type": "mcp_toolset_reference", "name": "wiki"}}
    history, losses = read(HELLO, system(image(), server, text("x")))
    assert losses == ["messages[1].content[0]", "messages[1].content[1]"]
    assert (shape(history)[1], history.tool_changes) == ("system x", [])


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"tool_references": [{"type": "tool_reference", "tool_name": "a"}, {}]}, {"a"}),
        ({"error_code": "unavailable"}, set()),
        (None, set()),
    ],
    ids=["found", "error", "null"],
)
def test_tools_that_a_search_found_are_used(content: Json, found: set[str]) -> None:
    """A tool that the history's tool search found is one that must be declared."""
    block = {"type": "tool_search_tool_result", "tool_use_id": "s", "content": content}
    history, losses = read(HELLO, assistant(block, text("x")), HELLO)
    assert (set(history.used_tools), losses) == (found, [])


REFUSED: list[tuple[str, list[Json], str]] = [
    (
        "unknown block",
        [user({"type": "hologram"})],
        "messages.0.content.0: hologram blocks in user messages are not supported for model 'm'",
    ),
    ("container_upload", [user({"type": "container_upload", "file_id": "f"})], "container_upload"),
    ("thinking of a user", [user({"type": "thinking", "thinking": "x"})], "thinking blocks in user messages"),
    (
        "unknown block in a result",
        [HELLO, assistant(call("a")), user(result("a", [{"type": "hologram"}]))],
        "messages.2.content.0.content.0: hologram blocks in tool results",
    ),
    (
        "malformed tool",
        [HELLO, system({"type": "tool_addition", "tool": {"definition": {"name": 5}}})],
        "messages.1.content.0.tool.definition.name: Input should be a valid string",
    ),
    ("nothing at all", [{"role": "user", "content": []}], "messages.0: user messages must have non-empty content"),
    ("call without id", [HELLO, assistant({"type": "tool_use", "name": "x"})], "messages.1.content.0.id: Field"),
]


@pytest.mark.parametrize(("turns", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_mended_is_refused(turns: list[Json], message: str) -> None:
    """What a user sends and no upstream could take is named."""
    with pytest.raises(ClientError) as caught:
        read(*turns)
    assert message in caught.value.message


STRICT: list[tuple[str, list[Json], str]] = [
    (
        "missing result",
        [HELLO, assistant(call("a")), HELLO],
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a. Each",
    ),
    (
        "orphan",
        [user(result("gone"))],
        "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: gone. Each",
    ),
    (
        "late result",
        [HELLO, assistant(call("a")), user(text("x"), result("a"))],
        "messages.2.content.1: `tool_result` blocks must come before all other content",
    ),
    ("empty text", [user(text(""), text("x"))], "messages.0.content.0: text content blocks must be non-empty"),
    ("empty message", [HELLO, assistant(), HELLO], "messages.1: all messages must have non-empty content"),
    ("unknown block", [HELLO, assistant({"type": "hologram"}, text("x"))], "messages[1].content[0]: hologram"),
]


@pytest.mark.parametrize(("turns", "message"), [row[1:] for row in STRICT], ids=[row[0] for row in STRICT])
def test_strict_mode_refuses_instead_of_mending(turns: list[Json], message: str) -> None:
    """In strict mode a broken history gets Anthropic's error."""
    with pytest.raises(ClientError) as caught:
        read(*turns, strict=True)
    assert message in caught.value.message


CITED = {"type": "text", "text": "x", "citations": [{"type": "char_location"}]}
NEW_VERSION: list[tuple[str, list[Json]]] = [
    (
        "document of the assistant",
        [HELLO, assistant({"type": "document", "source": {"type": "text", "data": "x"}}), HELLO],
    ),
    ("citations of the user", [user(CITED)]),
    (
        "citations in a search result",
        [user({"type": "search_result", "source": "s", "title": "t", "content": [CITED]})],
    ),
]


@pytest.mark.parametrize("turns", [row[1] for row in NEW_VERSION], ids=[row[0] for row in NEW_VERSION])
def test_the_new_api_version_refuses_what_the_old_one_takes(turns: list[Json]) -> None:
    """Documents of the assistant and citations of the user are errors of version 2026-10-21 only."""
    read(*turns)
    with pytest.raises(ClientError, match="permitted"):
        read(*turns, api_version="2026-10-21")


def test_citations_that_are_null_or_empty_are_fine() -> None:
    """Blocks sent back as they were answered pass in every version."""
    read(user({**CITED, "citations": None}, {**CITED, "citations": []}), api_version="2026-10-21")


IDS = st.sampled_from(["a", "b", "c", ""])
BLOCKS = st.one_of(
    st.builds(text, st.sampled_from(["", " ", "x", "y"])),
    st.builds(call, IDS),
    st.builds(result, IDS, st.sampled_from(["", "r", [], [{"type": "text", "text": "t"}], None])),
    st.sampled_from(
        [
            image(),
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "hologram"},
            {"type": "compaction", "content": "sum"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            {"type": "tool_addition", "tool": {"name": "a"}},
        ]
    ),
)
MESSAGES = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "assistant", "system"]),
        st.lists(BLOCKS, max_size=4) | st.sampled_from(["", "s"]),
    ),
    min_size=1,
    max_size=8,
)


@given(turns=MESSAGES)
def test_calls_and_results_always_pair_up(turns: list[Json]) -> None:
    """Whatever a client sends is refused, or every call is answered once, in order, directly after it."""
    try:
        history, _ = read(*turns)
    except ClientError:
        return
    waiting: list[str] = []
    seen: list[str] = []
    for turn in history.turns:
        assert [each.call.id for each in turn.results] == waiting
        waiting = [each.block.id for each in turn.blocks if isinstance(each.block, ToolUseBlock)]
        seen += waiting
    assert waiting == []
    assert len(seen) == len(set(seen))
