"""Messages that were rendered before are not rendered again, and nobody can tell the difference."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.providers.quirks import ChatQuirks
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.memory.conversation import KEPT_BACK
from llm_to_anthropic.translators.memory.memory import Memory, cut_out
from llm_to_anthropic.translators.openai_chat.encoding import ChatEncoding
from llm_to_anthropic.translators.openai_chat.request import encode_chat, encode_known
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from tests.translators.chat_requests import target
from tests.translators.conversations import CONVERSATION, FIELDS, TOOLS

Json = Any


TARGET = target()


def encode(
    messages: list[Json], learned: Learned | None, to: Target = TARGET, **fields: Json
) -> Encoded[ChatEncoding] | str:
    body = msgspec.json.encode({"model": "m", "max_tokens": 9, "messages": messages, "tools": TOOLS} | fields)
    client = ClientRequest(body=body, model="m", stream=False, request_id="req_1", message_id="msg_1")
    try:
        known = encode_known(client, to, learned) if learned else None
        return known or encode_chat(decode_request(body), client, to)
    except ClientError as error:
        return error.message


@given(st.lists(st.tuples(CONVERSATION, FIELDS), min_size=1, max_size=3), st.booleans())
def test_the_memory_changes_nothing(requests: list[tuple[list[Json], Json]], marks: bool) -> None:
    """Whatever was remembered before, a request, its losses and its errors are those of a fresh start."""
    learned, to = Learned(), target(ChatQuirks(cache_control=marks))
    for messages, fields in requests * 2:
        assert encode(messages, learned, to, **fields) == encode(messages, None, to, **fields)


def test_nesting_is_no_crash_at_any_depth() -> None:
    """What is nested about as deeply as can be read is encoded or refused, whichever step is one too deep for it."""
    for depth in range(600, 1100):
        encode(
            [{"role": "user", "content": "hi"}],
            Learned(),
            metadata=msgspec.Raw(b'{"x":%b1%b}' % (b"[" * depth, b"]" * depth)),
        )


def test_a_conversation_that_grows_is_rendered_once() -> None:
    """Of a turn that repeats the whole conversation only the new messages are looked into."""
    learned = Learned()
    messages: list[Json] = [{"role": "user", "content": "one"}]
    encode(messages, learned)
    ((scope, raw),) = learned.messages.keys()
    known = learned.messages.get(scope, raw)
    encode([*messages, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}], learned)
    assert len(learned.messages.keys()) == 3
    assert learned.messages.get(scope, raw) is known
    assert len(learned.frames.keys()) == 1


@pytest.mark.parametrize(("name", "made_anew"), [("f", False), ("later", True)])
def test_frame_depends_on_no_use_of_tools_but_of_deferred_ones(name: str, made_anew: bool) -> None:
    """What surrounds a conversation is translated anew when a deferred tool is used first, and for no other call."""
    learned = Learned()
    call = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
    asked: list[Json] = [{"role": "user", "content": "Do it."}]
    encode(asked, learned)
    ((scope, outside),) = learned.frames.keys()
    made = [learned.frames.get(scope, outside)]
    for _ in range(2):
        encode([*asked, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}], learned)
        made.append(learned.frames.get(scope, outside))
    assert (made[1] is not made[0]) == made_anew
    assert made[2] is made[1]


MARK = {"cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize("mark", [MARK, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}], ids=["5m", "1h"])
@pytest.mark.parametrize("cached", [False, True], ids=["no breakpoints", "breakpoints"])
def test_message_is_known_once_its_cache_mark_has_moved_on(mark: Json, cached: bool) -> None:
    """Clients move their mark to the last message: the one before is not rendered again unless marks are passed on."""
    learned, to = Learned(), target(ChatQuirks(cache_control=cached))
    said = [{"role": "user", "content": [{"type": "text", "text": "One?"}]}, {"role": "assistant", "content": "1"}]
    last = {"type": "text", "text": "Two?"}
    encode([*said, {"role": "user", "content": [last | mark]}], learned, to)
    before = len(learned.messages.keys())
    messages = [*said, {"role": "user", "content": [last]}, {"role": "assistant", "content": "2"}]
    messages.append({"role": "user", "content": [{"type": "text", "text": "Three?"} | mark]})
    assert encode(messages, learned, to) == encode(messages, None, to)
    assert len(learned.messages.keys()) == before + (3 if cached else 2)


def test_nothing_of_a_new_message_is_remembered_of_the_next() -> None:
    """Of two messages that come together each is remembered for what it holds itself."""
    learned = Learned()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "seen"}
    messages: list[Json] = [
        {"role": "user", "content": [image]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": "It is red."},
        {"role": "user", "content": "And now?"},
    ]
    encode(messages, learned)
    keys = learned.messages.keys()
    known = [found for scope, raw in keys if (found := learned.messages.get(scope, raw))]
    assert [found.media_bytes for found in known] == [len("aGk="), 0, 0, 0, 0]
    assert [found.plain for found in known] == [False, False, False, True, True]
    assert [sorted(found.used_tools) for found in known] == [[], ["look"], [], [], []]


@pytest.mark.parametrize("words", [60, 12_000], ids=["8 KB", "1.5 MB"])
def test_beginning_of_a_conversation_is_not_read_again(words: int) -> None:
    """A turn that repeats a long conversation is known by its beginning, and only what follows is looked up."""
    learned = Learned()
    turns: list[Json] = []
    for number in range(8):
        turns += [
            {"role": "user", "content": f"ask {number}" * words},
            {"role": "assistant", "content": f"say {number}" * words},
        ]
    encode([*turns, {"role": "user", "content": "on"}], learned)
    ((scope, start),) = learned.conversations.keys()
    known = learned.conversations.get(scope, start)
    assert known is not None
    assert known.count == len(turns) + 1 - KEPT_BACK
    learned.messages = Memory()
    assert encode([*turns, {"role": "user", "content": "else"}], learned) == encode(
        [*turns, {"role": "user", "content": "else"}], None
    )
    assert len(learned.messages.keys()) == KEPT_BACK


@pytest.mark.parametrize("change", range(9))
def test_changed_beginning_is_read_anew(change: int) -> None:
    """Whatever changes in what was sent before, the upstream is sent the conversation as it is now."""
    learned = Learned()
    turns: list[Json] = [{"role": ("user", "assistant")[number % 2], "content": "same" * 200} for number in range(9)]
    encode(turns, learned)
    turns[change] = turns[change] | {"content": "changed"}
    assert encode(turns, learned) == encode(turns, None)
    assert encode(turns[: change // 2 * 2 + 1], learned) == encode(turns[: change // 2 * 2 + 1], None)


def test_call_that_was_answered_in_the_beginning_cannot_come_again() -> None:
    """An id that a remembered beginning used is noticed when a later message uses it again."""
    learned = Learned()
    round_trip: list[Json] = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]},
        {"role": "assistant", "content": "done"},
    ]
    turns = [*round_trip, *[{"role": ("user", "assistant")[n % 2], "content": "on" * 600} for n in range(5)]]
    encode(turns, learned)
    assert learned.conversations.keys()
    again = [*turns[:8], *round_trip[:3]]
    assert encode(again, learned) == encode(again, None)


def test_targets_do_not_share_what_they_remember() -> None:
    """A message rendered for one target is rendered anew for another, whose quirks differ."""
    memory: Memory[str] = Memory()
    memory.put("one", b"m", "x", 1)
    assert memory.get("other", b"m") is None


@pytest.mark.parametrize("size", [10, 1000])
def test_the_memory_is_bounded(size: int) -> None:
    """However much passes through, the memory keeps to its bytes and forgets what was used least recently."""
    memory: Memory[int] = Memory(max_bytes=10_000)
    memory.put("s", b"first", 1, 1)
    for number in range(100):
        memory.get("s", b"first")
        memory.put("s", b"%d" % number, number, size)
    assert memory.get("s", b"first") == 1
    assert memory.get("s", b"0") is None
    assert memory.used_bytes <= 10_000


def test_what_is_too_large_is_not_remembered() -> None:
    """One huge message does not push out all others."""
    memory: Memory[int] = Memory()
    memory.put("s", b"x" * (2 << 20), 1, 1)
    assert memory.keys() == []


@pytest.mark.parametrize(
    "before", [b"", b'{"a":1},', b'{"role":"user","content":"the same beginning, then something else"},']
)
def test_part_is_cut_out_of_its_own_place(before: bytes) -> None:
    """What surrounds the messages is told by where they stand, also where another list begins as they do."""
    messages = b'[{"role":"user","content":"the same beginning, then the end"}]'
    body = b'{"before":[%b{"role":"user","content":"the same beginning"}],"messages":%b,"model":"m"}' % (
        before,
        messages,
    )
    outside = cut_out(body, messages)
    assert outside == body.replace(messages, b"\0")


@pytest.mark.parametrize("unsound", [b"\xff", b"\\ud83e"])
@pytest.mark.parametrize("after", [1, 12])
def test_what_is_no_text_is_refused_beside_what_is_known(unsound: bytes, after: int) -> None:
    """Only what is new is looked at for bytes that are no text, and its place is told in the whole request."""
    learned = Learned()
    words = b"some words " * 60
    said = [
        b'{"role":"user","content":"%d %b"},{"role":"assistant","content":"so"}' % (turn, words)
        for turn in range(after)
    ]
    for last in (b"end", unsound):
        body = b'{"model":"m","max_tokens":9,"messages":[%b,{"role":"user","content":"%b"}]}' % (b",".join(said), last)
        client = ClientRequest(body=body, model="m", stream=False, request_id="req_1", message_id="msg_1")
        if last == b"end":
            assert encode_known(client, target(), learned) is not None
            continue
        with pytest.raises(ClientError, match=f"byte {body.index(unsound)}"):
            encode_known(client, target(), learned)
