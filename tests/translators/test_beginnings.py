"""Of a conversation that passes through and goes on only what is new is looked at, and that is enough."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llm_to_anthropic.translators.anthropic import may_hold_carriers
from llm_to_anthropic.translators.memory.beginnings import KnownBeginnings
from llm_to_anthropic.translators.memory.conversation import KEPT_BACK, NAME_BYTES
from llm_to_anthropic.translators.memory.surroundings import PLACE, Surroundings
from tests.translators.conversations import CARRIERS

AROUND = Surroundings(b'{"model":"m","messages":', b',"max_tokens":9}', b"", b"", "m", None)
CARRIED = b'{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"%b"}]}' % CARRIERS[0].encode()
MESSAGES = [
    b'{"role":"user","content":"hi"}',
    b'{"role":"user","content":"], \\"[ {"}',
    b' {"role":"assistant","content":[]} ',
    b'"\\\\"',
    b"1",
    b"[[],{}]",
    CARRIED,
]
ENDS = [b"", b",", b"]", b",[", b'],"model":"x","y":[1', b'"', b"1", b"{", b"\xff"]


FIRST = b'{"role":"user","content":"%b"}' % (b"x" * NAME_BYTES)
"""By which a conversation is found again."""


def list_of(messages: list[bytes], end: bytes = b"") -> bytes:
    return b"[" + b",".join(messages) + end + b"]"


def body_of(messages: list[bytes], end: bytes = b"") -> bytes:
    return AROUND.head + list_of([FIRST, *messages], end) + AROUND.tail


def is_list(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=list[Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def test_only_what_is_new_is_looked_at() -> None:
    """A turn that repeats what came before is looked at from the last messages on, in which clients may move marks."""
    known, messages = KnownBeginnings(), [b'{"n":%d}' % number for number in range(10)]
    assert known.unseen(body_of(messages[:8]), AROUND, "s") == list_of([FIRST, *messages[:8]])
    assert known.unseen(body_of(messages), AROUND, "s") == list_of(messages[8 - KEPT_BACK :])
    assert known.unseen(body_of(messages), AROUND, "another") == list_of([FIRST, *messages])


def test_what_this_proxy_made_is_looked_at_each_time() -> None:
    """A conversation with something in it that has to be taken out is looked at as a whole with each turn."""
    known, messages = KnownBeginnings(), [CARRIED, *(b'{"n":%d}' % number for number in range(7))]
    for size in (7, 8):
        assert known.unseen(body_of(messages[:size]), AROUND, "s") == list_of([FIRST, *messages[:size]])


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(MESSAGES), max_size=9), st.just(b"") | st.sampled_from(ENDS)), max_size=6
    )
)
def test_what_was_looked_at_changes_no_judgement(bodies: list[tuple[list[bytes], bytes]]) -> None:
    """Whatever came before, only a list is taken for one, and nothing in it that was made here is missed."""
    known = KnownBeginnings()
    for messages, end in bodies * 2:
        # Longer ones go on with what the shorter ones began.
        for size in range(len(messages) + 1):
            body = body_of(messages[:size], end)
            start, stop = AROUND.place_in(body)
            unseen = known.unseen(body, AROUND, "s")
            assert (unseen is not None) == is_list(body[start:stop])
            if unseen is not None:
                assert may_hold_carriers(unseen) == may_hold_carriers(body)


@pytest.mark.parametrize("end", [b'],"model":"other","x":[1', b"]]", b",", b"\xff"])
def test_end_of_a_known_conversation_is_judged_too(end: bytes) -> None:
    """More than messages behind a beginning that is known is noticed."""
    known, messages = KnownBeginnings(), [b'{"n":%d}' % number for number in range(8)]
    assert known.unseen(body_of(messages), AROUND, "s") is not None
    assert known.unseen(body_of(messages, end), AROUND, "s") is None
    assert msgspec.json.decode(AROUND.head + PLACE + AROUND.tail)
