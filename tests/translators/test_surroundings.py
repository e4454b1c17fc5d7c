"""What surrounds the messages of requests is read once, and the messages between are those of the request."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.memory.memory import cut_out
from llm_to_anthropic.translators.memory.surroundings import MAX_ALIKE, MIN_BYTES, KnownSurroundings
from llm_to_anthropic.translators.openai_chat.encoding import ChatEncoding
from llm_to_anthropic.translators.openai_chat.request import encode_chat, encode_known
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from tests.translators.chat_requests import target
from tests.translators.conversations import CONVERSATION, FIELDS, TOOLS

Json = Any

LONG = "What stands before the messages. " * (MIN_BYTES // 30)
MESSAGES = b'[{"role":"user","content":"hi"}]'


def _encode(body: bytes, learned: Learned | None) -> Encoded[ChatEncoding] | str:
    around = learned.surroundings.find(body, "") if learned else None
    client = ClientRequest(
        body=body, surroundings=around, model="m", stream=False, request_id="req_1", message_id="msg_1"
    )
    try:
        known = encode_known(client, target(), learned) if learned else None
        return known or encode_chat(decode_request(body), client, target())
    except ClientError as error:
        return error.message


def _known(*bodies: bytes) -> KnownSurroundings:
    known = KnownSurroundings()
    for body in bodies:
        known.learn(body, "", cut_out(body, MESSAGES))
    return known


@given(st.lists(st.tuples(CONVERSATION, FIELDS), min_size=1, max_size=3))
def test_what_is_known_around_the_messages_changes_nothing(requests: list[tuple[list[Json], Json]]) -> None:
    """Whatever stood around the messages before, a request, its losses and its errors are those of a fresh start."""
    learned = Learned()
    for messages, fields in requests * 3:
        request = {"model": "m", "max_tokens": 9, "system": LONG, "messages": messages, "tools": TOOLS} | fields
        body = msgspec.json.encode(request)
        assert _encode(body, learned) == _encode(body, None)


@pytest.mark.parametrize(
    "messages",
    [
        b"[1,",
        b"{}",
        b'"text"',
        b'[],"messages":[]',
        b'[{"role":"user","content":"\xff"}]',
        b'[{"role":"user","content":"\\ud83e"}]',
        b"[" * 5000,
        b"",
    ],
)
def test_what_is_wrong_between_known_surroundings_is_told_as_ever(messages: bytes) -> None:
    """A body that is no request is refused in the same words, also where all around its messages is known."""
    learned = Learned()
    head = b'{"model":"m","max_tokens":9,"system":"%b","messages":' % LONG.encode()
    for _ in range(3):
        assert isinstance(_encode(head + MESSAGES + b"}", learned), Encoded)
    assert learned.surroundings.find(head + MESSAGES + b"}", "") is not None
    body = head + messages + b"}"
    assert _encode(body, learned) == _encode(body, None)


@pytest.mark.parametrize("end", [b",", b", ", b",,"])
def test_comma_behind_a_known_conversation_is_refused_as_ever(end: bytes) -> None:
    """A list that ends in a comma is no JSON, also where all before the comma is known."""
    learned = Learned()
    roles = ["user", "assistant", "user", "user", "assistant", "user"]  # what is remembered ends with the third
    messages = [{"role": role, "content": LONG * 9} for role in roles]
    around = b'{"model":"m","max_tokens":9,"system":"%b","messages":[%b%b]}'
    begun, whole = (msgspec.json.encode(messages[:count])[1:-1] for count in (3, 6))
    for _ in range(2):
        assert isinstance(_encode(around % (LONG.encode(), whole, b""), learned), Encoded)
    assert len(learned.conversations.keys()) == 1
    body = around % (LONG.encode(), begun, end)
    assert _encode(body, learned) == _encode(body, None)


def test_the_messages_are_found_between_what_is_known() -> None:
    """Another conversation of the same agent is told from what stands around it, with the model and the stream."""
    body = b'{"stream":true,"model":"some-model","messages":%b}'
    known = _known(body % MESSAGES).find(body % b"[1,2]", "")
    assert known is not None
    start, end = known.place_in(body % b"[1,2]")
    assert ((body % b"[1,2]")[start:end], known.model, known.stream) == (b"[1,2]", "some-model", True)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","metadata":{"messages":%b},"messages":%b}',
        b'{"model":"m","messages":%b,"messages":%b}',
        b'{"model":"m","system":[{"type":"text","text":"","x":%b}],"messages":%b}',
    ],
)
def test_another_list_is_not_taken_for_the_messages(body: bytes) -> None:
    """Where the same list stands elsewhere first, what surrounds that is not remembered."""
    assert _known(body % (MESSAGES, MESSAGES)).find(body % (b"[1]", MESSAGES), "") is None


def test_few_surroundings_are_remembered_that_begin_alike() -> None:
    """Each is compared with a request, so that the last ones are kept and the others forgotten."""
    bodies = [
        b'{"model":"m","system":"the same beginning, and %d","messages":%b}' % (n, MESSAGES)
        for n in range(MAX_ALIKE + 4)
    ]
    known = _known(*bodies)
    assert [known.find(body, "") is not None for body in bodies] == [False] * 4 + [True] * MAX_ALIKE


def test_sessions_do_not_push_out_what_the_others_sent() -> None:
    """What is remembered of one session is its own."""
    body = b'{"model":"m","messages":%b}' % MESSAGES
    assert _known(body).find(body, "another") is None


@pytest.mark.parametrize("more", [b',"stream":true', b',"stream":true ', b',"model":"another","max_tokens":9'])
def test_what_follows_the_messages_is_not_taken_for_a_part_of_them(more: bytes) -> None:
    """A request that asks for a stream at its end is another one than that which ends with its messages."""
    body = b'{"model":"m","messages":%b%b}'
    assert _known(body % (MESSAGES, b"")).find(body % (MESSAGES, more), "") is None
