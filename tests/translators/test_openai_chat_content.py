"""Conversations as messages of Chat Completions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.carrier import Carrier, encode_carrier
from tests.translators.chat_requests import (
    HI,
    assistant,
    call,
    encoded,
    image,
    lost,
    messages,
    paired,
    result,
    text,
    upstream,
    user,
)
from tests.translators.test_history import MESSAGES

Json = Any
MARK = {"type": "ephemeral", "ttl": "1h"}


def system_note(value: str) -> Json:
    return {"role": "system", "content": value}


def test_the_system_prompt_comes_first() -> None:
    """System blocks are joined into one message before all others."""
    done = upstream({"system": [text("One."), text(""), text("Two.")]})
    assert done["messages"] == [{"role": "system", "content": "One.\n\nTwo."}, {"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    "system",
    [
        [text("x-anthropic-billing-header: cc_version=1;"), text("Be kind.")],
        "x-anthropic-billing-header: cc_version=1;\nBe kind.",
    ],
    ids=["block", "line of a string"],
)
def test_claude_codes_attribution_is_left_out(system: Json) -> None:
    """The attribution is no part of the prompt and would defeat the upstream's cache; that is no loss."""
    done = encoded({"system": system})
    assert msgspec.json.decode(done.body)["messages"][0]["content"] == "Be kind."
    assert done.encoding.losses == ()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param([text("x-anthropic-billing-header: cch=1;"), text("note")], ["hi", "note"], id="block"),
        pytest.param("x-anthropic-billing-header: cch=1;\nnote", ["hi", "note"], id="line of a string"),
        pytest.param("x-anthropic-billing-header: cch=1;", ["hi"], id="alone"),
    ],
)
def test_an_attribution_within_the_conversation_is_left_out(said: Json, expected: list[str]) -> None:
    """A system message in the conversation may begin with the attribution too; it never reaches the model."""
    done = encoded({"messages": [user(text("hi")), {"role": "system", "content": said}]})
    assert [each["content"] for each in msgspec.json.decode(done.body)["messages"]] == expected
    assert done.encoding.losses == ()


def test_a_system_prompt_takes_text_only() -> None:
    """Another block in the system prompt is the client's mistake."""
    with pytest.raises(ClientError, match=r"system\.0: Input should be a text block, got 'image'"):
        encoded({"system": [image()]})


def test_system_messages_keep_their_place() -> None:
    """A system message within the conversation stays where it is."""
    done = messages(user(text("a")), system_note("note"), assistant(text("b")), user(text("c")))
    assert [each["role"] for each in done] == ["user", "system", "assistant", "user"]


def test_reasoning_models_take_developer_messages() -> None:
    """The role of system messages is the upstream's."""
    quirks = ChatQuirks(system_role="developer")
    done = upstream({"system": "s", "messages": [*HI, system_note("n")]}, quirks)
    assert [each["role"] for each in done["messages"]] == ["developer", "user", "developer"]


def test_strict_templates_get_later_system_messages_as_user_text() -> None:
    """Where only one leading system message is allowed, later ones are wrapped as reminders of the user."""
    quirks = ChatQuirks(merge_system=True)
    done = upstream({"system": "s", "messages": [*HI, system_note("n")]}, quirks)
    assert [each["role"] for each in done["messages"]] == ["system", "user", "user"]
    assert done["messages"][2]["content"] == "<system-reminder>\nn\n</system-reminder>"


def test_models_without_instructions_get_them_from_the_user() -> None:
    """Where no role of instructions is known, they stand before the first message, and the client is told."""
    quirks = ChatQuirks(system_role="user", merge_system=True, merge_same_role=True)
    done = encoded({"system": "s", "messages": [*HI, system_note("n"), assistant(text("a")), *HI]}, quirks)
    assert [(each["role"], each["content"]) for each in msgspec.json.decode(done.body)["messages"]] == [
        ("user", "s\n\nhi\n\n<system-reminder>\nn\n</system-reminder>"),
        ("assistant", "a"),
        ("user", "hi"),
    ]
    assert lost(done) == ["system"]


def test_alternating_templates_get_merged_messages() -> None:
    """Where roles must alternate, neighbours of one role become one message."""
    quirks = ChatQuirks(merge_same_role=True)
    done = messages(
        user(text("a")), user(text("b"), image()), assistant(text("c")), assistant(text("d")), quirks=quirks
    )
    assert [each["role"] for each in done] == ["user", "assistant"]
    assert [part["type"] for part in done[0]["content"]] == ["text", "text", "image_url"] or len(
        done[0]["content"]
    ) == 3
    assert done[1]["content"] == "c\n\nd"


def test_user_waits_for_the_assistant_where_tools_are_not_followed_by_users() -> None:
    """Mistral refuses a user's words right after a tool's result, be they the client's, an image or a reminder."""
    quirks = ChatQuirks(merge_system=True, merge_same_role=True, user_after_tool=False)
    for after in ([text("go on")], [text("a"), text("b")], [image()]):
        done = messages(user(text("x")), assistant(call("t1")), user(result("t1"), *after), quirks=quirks)
        assert [each["role"] for each in done] == ["user", "assistant", "tool", "assistant", "user"]
        assert done[3] == {"role": "assistant", "content": "OK"}
    noted = messages(user(text("x")), assistant(call("t1")), user(result("t1")), system_note("n"), quirks=quirks)
    assert [each["role"] for each in noted] == ["user", "assistant", "tool", "assistant", "user"]
    plain = messages(user(text("x")), assistant(call("t1")), user(result("t1")), quirks=quirks)
    assert [each["role"] for each in plain] == ["user", "assistant", "tool"]


def test_calls_come_one_by_one_where_a_template_takes_no_more() -> None:
    """Llama 3 takes one call in a message: each has one of its own, with its result behind it, whatever their order."""
    asked = [user(text("x")), assistant(text("Both."), call("t1"), call("t2"), call("t3"))]
    answered = [user(result("t3", "c"), result("t1", "a"), result("t2", "b"), text("go on"))]
    done = messages(
        *asked, *answered, assistant(call("t4")), user(result("t4")), quirks=ChatQuirks(calls_together=False)
    )
    told = [(each["role"], [one["id"] for one in each.get("tool_calls", ())], each["content"]) for each in done]
    assert told == [
        ("user", [], "x"),
        ("assistant", ["t1"], "Both."),
        ("tool", [], "a"),
        ("assistant", ["t2"], ""),
        ("tool", [], "b"),
        ("assistant", ["t3"], ""),
        ("tool", [], "c"),
        ("user", [], "go on"),
        ("assistant", ["t4"], None),
        ("tool", [], "done"),
    ]


def test_texts_of_a_user_are_one_string() -> None:
    """A message of text alone is a string, which every server takes."""
    assert messages(user(text("a"), text("b")))[0]["content"] == "a\n\nb"


def test_search_results_are_wrapped() -> None:
    """A search result is text that names its source and title."""
    found = {"type": "search_result", "source": "https://a.test", "title": "A", "content": [text("x"), text("y")]}
    [message] = messages(user(found))
    assert message["content"] == '<search_result source="https://a.test" title="A">\nx\ny\n</search_result>'


def test_requested_citations_are_reported() -> None:
    """The answer will lack citations that a document or a search result asks for."""
    document = {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}}
    assert lost(encoded({"messages": [user(document)]})) == ["messages[0].content[0].citations"]


def test_calls_and_text_share_one_message() -> None:
    """Text, thinking of others and calls of one turn are one assistant message, whatever their order."""
    done = messages(
        *HI,
        assistant(
            {"type": "thinking", "thinking": "hm", "signature": "foreign"},
            text("pre"),
            call("c1", "look", at="天気"),
            {"type": "redacted_thinking", "data": "secret"},
            text("post"),
        ),
        user(result("c1")),
    )
    assert done[1] == {
        "role": "assistant",
        "content": "pre\n\npost",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"天気"}'}},
        ],
    }
    assert done[2] == {"role": "tool", "tool_call_id": "c1", "content": "done"}


def test_texts_split_around_citations_join_without_a_gap() -> None:
    """Anthropic splits sentences around citations: nothing may be put between."""
    assert messages(*HI, assistant(text("It is "), text("blue"), text(".")), *HI)[1]["content"] == "It is blue."


@pytest.mark.parametrize(("null", "content"), [(True, None), (False, "")], ids=["null", "empty string"])
def test_calls_alone_have_empty_content(*, null: bool, content: str | None) -> None:
    """A message of calls alone has null content, or an empty string where the server wants one."""
    done = messages(*HI, assistant(call("c1")), user(result("c1")), quirks=ChatQuirks(null_content=null))
    assert "content" in done[1]
    assert done[1]["content"] == content


def test_arguments_keep_order_and_numbers() -> None:
    """Arguments travel as the client's own JSON, compact, with keys in their order and numbers exact."""
    block = {**call("c1"), "input": msgspec.Raw(b'{"z": 1.50, "a": 1000000000000000000000000000000}')}
    done = messages(*HI, assistant(block), user(result("c1")))
    arguments = done[1]["tool_calls"][0]["function"]["arguments"]
    assert arguments == '{"z":1.50,"a":1000000000000000000000000000000}'


@pytest.mark.parametrize("value", [None, {}], ids=["null", "empty"])
def test_a_call_without_arguments_sends_an_object(value: Json) -> None:
    """Arguments are always a JSON object."""
    block = {**call("c1"), "input": value}
    done = messages(*HI, assistant(block), user(result("c1")))
    assert done[1]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_arguments_that_are_no_object_are_refused() -> None:
    """A call's input is an object in Anthropic's API."""
    with pytest.raises(ClientError, match=r"messages\.1\.content\.0\.input: Input should be a valid object"):
        messages(*HI, assistant({**call("c1"), "input": "x"}), user(result("c1")))


RESULTS: list[tuple[str, Json, str]] = [
    ("absent", {"type": "tool_result", "tool_use_id": "c1"}, ""),
    ("empty string", result("c1", ""), ""),
    ("no blocks", result("c1", []), ""),
    ("string", result("c1", "x"), "x"),
    ("blocks", result("c1", [text("x"), text("y")]), "x\ny"),
    ("error", result("c1", "no file", is_error=True), "Error: no file"),
    ("error that says so", result("c1", "error: no", is_error=True), "error: no"),
    ("Claude Code's error", result("c1", "<tool_use_error>no</tool_use_error>", is_error=True), "<tool_use_error>no</"),
    ("reference", result("c1", [{"type": "tool_reference", "tool_name": "Fetch"}]), "Tool Fetch is now available."),
]


@pytest.mark.parametrize(("block", "content"), [row[1:] for row in RESULTS], ids=[row[0] for row in RESULTS])
def test_results_are_text(block: Json, content: str) -> None:
    """Every form of a tool result becomes the text of one tool message."""
    [message] = [each for each in messages(*HI, assistant(call("c1")), user(block)) if each["role"] == "tool"]
    assert message["content"].startswith(content)
    assert bool(message["content"]) == bool(content)


def test_an_empty_result_reads_as_the_server_wants() -> None:
    """Servers that refuse an empty result get a word instead."""
    quirks = ChatQuirks(empty_tool_result="(no output)")
    assert messages(*HI, assistant(call("c1")), user(result("c1", "")), quirks=quirks)[2]["content"] == "(no output)"


@pytest.mark.parametrize("short", [False, True], ids=["long", "nine letters"])
def test_both_halves_of_a_pair_change_alike(*, short: bool) -> None:
    """An id that the upstream would refuse is replaced in the call and in its result."""
    id = "call.with.dots." + "x" * 80
    done = messages(*HI, assistant(call(id)), user(result(id)), quirks=ChatQuirks(short_ids=short))
    sent = done[1]["tool_calls"][0]["id"]
    assert sent == done[2]["tool_call_id"]
    assert len(sent) == (9 if short else 40)


def test_server_tools_of_the_history_become_text() -> None:
    """What another vendor's tools did is told as text, never as a call of a tool that is not declared."""
    done = messages(
        *HI,
        assistant(
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "tea"}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s",
                "content": [{"type": "web_search_result", "title": "Tea", "url": "https://t.test"}],
            },
            {"type": "mcp_tool_use", "id": "m", "server_name": "wiki", "name": "ask", "input": {"a": 1, "b": 2}},
            {"type": "mcp_tool_result", "tool_use_id": "m", "content": [text("answer")]},
            {
                "type": "bash_code_execution_tool_result",
                "tool_use_id": "b",
                "content": {"type": "bash_code_execution_result", "stdout": "out", "stderr": "", "return_code": 0},
            },
            {"type": "fallback"},
            text("Done."),
        ),
        *HI,
    )
    content = done[1]["content"]
    for line in (
        '[web_search "tea"]',
        "Tea - https://t.test",
        '[wiki ask {"a":1,"b":2}]',
        "answer",
        "out",
        "\n\nDone.",
    ):
        assert line in content
    assert "tool_calls" not in done[1]


def test_thinking_of_others_is_dropped_silently() -> None:
    """A message of foreign thinking alone vanishes, and that is no loss."""
    done = encoded({"messages": [*HI, assistant({"type": "thinking", "thinking": "x", "signature": "foreign"}), *HI]})
    assert [each["role"] for each in msgspec.json.decode(done.body)["messages"]] == ["user", "user"]
    assert done.encoding.losses == ()


def carried(words: str, *items: Json, provider: str = "acme", model: str = "acme-1") -> Json:
    raw = [msgspec.Raw(msgspec.json.encode(item)) for item in items]
    return {
        "type": "thinking",
        "thinking": words,
        "signature": encode_carrier(Carrier(vendor="c", provider=provider, model=model, items=raw)),
    }


def test_reasoning_goes_back_where_the_server_wants_it() -> None:
    """Own reasoning is given back, and messages without any carry a placeholder, as DeepSeek refuses its absence."""
    quirks = ChatQuirks(reasoning_history="reasoning_content")
    done = messages(*HI, assistant(carried("I see"), text("a")), *HI, assistant(text("b")), *HI, quirks=quirks)
    assert [done[1]["reasoning_content"], done[3]["reasoning_content"]] == ["I see", " "]


def test_reasoning_details_go_back_unchanged_to_their_maker() -> None:
    """Details are replayed to the provider that made them and to no other."""
    quirks = ChatQuirks(reasoning_history="reasoning", reasoning_details=True)
    details = {"type": "reasoning.encrypted", "data": "xyz"}
    done = messages(*HI, assistant(carried("t", details), text("a")), *HI, quirks=quirks)
    assert (done[1]["reasoning"], done[1]["reasoning_details"]) == ("t", [details])
    other = messages(*HI, assistant(carried("t", details, provider="other"), text("a")), *HI, quirks=quirks)
    assert "reasoning_details" not in other[1]


def test_reasoning_details_of_another_model_stay_away() -> None:
    """What one model of OpenRouter has signed is refused by all others behind it, so a change of models drops it."""
    quirks = ChatQuirks(reasoning_history="reasoning", reasoning_details=True)
    details = {"type": "reasoning.text", "text": "t", "signature": "s", "format": "anthropic-claude-v1"}
    done = messages(*HI, assistant(carried("t", details, model="else-1"), text("a")), *HI, quirks=quirks)
    assert "reasoning_details" not in done[1]
    assert done[1]["reasoning"] == "t"


def test_a_prefill_is_marked_where_the_server_asks_for_it() -> None:
    """Mistral refuses a conversation that ends with the assistant unless its message says that it is a beginning."""
    asked, begun = HI[0], assistant(text("{"))
    done = messages(asked, begun, quirks=ChatQuirks(prefix=True))
    assert done[-1] == {"role": "assistant", "content": "{", "prefix": True}
    assert "prefix" not in messages(asked, begun)[-1]
    for message in messages(asked, begun, asked, quirks=ChatQuirks(prefix=True)):
        assert "prefix" not in message


def test_a_prefill_is_asked_to_be_gone_on_with() -> None:
    """Where a conversation may not end with the assistant, the user has the last word; the way back knows it all."""
    quirks = ChatQuirks(prefill=False)
    done = encoded({"messages": [*HI, assistant(text("{"))]}, quirks)
    *_, begun, last = msgspec.json.decode(done.body)["messages"]
    assert begun == {"role": "assistant", "content": "{"}
    assert (last["role"], last["content"].startswith("Continue exactly")) == ("user", True)
    assert done.encoding.prefill == "{"
    assert messages(*HI, quirks=quirks)[-1]["content"] == HI[0]["content"]


def test_a_prefill_is_sent_and_remembered() -> None:
    """A trailing assistant message is sent; the answer may repeat its text."""
    done = encoded({"messages": [*HI, assistant(text("{"))]})
    assert msgspec.json.decode(done.body)["messages"][-1] == {"role": "assistant", "content": "{"}
    assert (done.encoding.prefill, encoded({}).encoding.prefill) == ("{", "")


def test_result_keeps_its_cache_mark_where_marks_are_known() -> None:
    """The breakpoint that moves along with an agent's conversation stands on results most of the time."""
    turns = (user(text("x")), assistant(call("t1"), call("t2")), user(result("t1"), result("t2", cache_control=MARK)))
    one, other = messages(*turns, quirks=ChatQuirks(cache_control=True))[2:]
    assert one["content"] == "done"
    assert other["content"] == [{"type": "text", "text": "done", "cache_control": MARK}]
    empty = user(result("t1"), result("t2", "", cache_control=MARK))
    assert messages(*turns[:2], empty, quirks=ChatQuirks(cache_control=True))[-1]["content"] == ""
    assert messages(*turns)[-1]["content"] == "done"


def test_cache_marks_are_sent_where_they_are_known_only() -> None:
    """`cache_control` travels on text parts by a quirk and is left out silently otherwise."""
    marked = {**text("s"), "cache_control": MARK}
    request = {"system": [marked, text("t")], "messages": [user(marked, result("x", cache_control=MARK))]}
    with_marks = upstream(request, ChatQuirks(cache_control=True))["messages"]
    assert with_marks[0]["content"][0] == {"type": "text", "text": "s", "cache_control": MARK}
    assert with_marks[1]["content"][0]["cache_control"] == MARK
    assert b"cache_control" not in encoded(request).body


@given(turns=MESSAGES, merge=st.booleans(), together=st.booleans())
def test_any_conversation_gives_a_valid_request_or_an_error(turns: list[Json], *, merge: bool, together: bool) -> None:
    """Whatever a client sends, it gets a clear error or the upstream gets messages that pair up."""
    quirks = ChatQuirks(
        merge_same_role=merge,
        merge_system=merge,
        user_after_tool=not merge,
        short_ids=merge,
        calls_together=together,
    )
    try:
        done = messages(*turns, quirks=quirks)
    except ClientError:
        return
    assert paired(done)
    assert together or all(len(message.get("tool_calls", ())) < 2 for message in done)
    assert all(message["content"] not in ([], None) or message.get("tool_calls") for message in done)


def test_blocks_of_an_answer_come_back_as_they_were() -> None:
    """Clients send an assistant's blocks back verbatim, with members that mean nothing here."""
    said = {"type": "text", "text": "Look.", "citations": None}
    called = {**call("t1"), "caller": {"type": "direct"}, "toolset_name": None, "cache_control": None}
    answered = {**result("t1"), "toolset_name": None, "cache_control": None, "is_error": None}
    plain = messages(user(text("x")), assistant(text("Look."), call("t1")), user(result("t1")))
    assert messages(user(text("x")), assistant(said, called), user(answered)) == plain


def test_the_user_speaks_first_where_the_server_wants_that() -> None:
    """A conversation that begins midway, as after a compaction, gets a word of the user before it."""
    midway = [assistant(text("So."), call("toolu_1")), user(result("toolu_1"))]
    quirks = ChatQuirks(user_first=True)
    assert [each["role"] for each in messages(*midway, quirks=quirks)] == ["user", "assistant", "tool"]
    for whole in ([user(text("hi")), *midway], [{"role": "system", "content": "s"}, user(text("hi")), *midway]):
        assert messages(*whole, quirks=quirks) == messages(*whole)
    assert messages(*midway)[0]["role"] == "assistant"
    sent = upstream({"messages": midway, "system": "s"}, quirks)["messages"]
    assert [each["role"] for each in sent] == ["system", "user", "assistant", "tool"]
