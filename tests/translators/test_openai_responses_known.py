"""A conversation that OpenAI Responses was sent before is put together again, and nobody can tell the difference."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.openai_responses.encoding import ResponsesEncoding
from llm_to_anthropic.translators.openai_responses.request import encode_known, encode_responses
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from tests.translators.chat_requests import assistant, call, result, user
from tests.translators.conversations import CONVERSATION, FIELDS, TOOLS
from tests.translators.responses_requests import Json, carried, reasoning_item, target


def encode(messages: list[Json], learned: Learned | None, **fields: Json) -> Encoded[ResponsesEncoding] | str | None:
    """The encoding, or what is wrong; None where the memory leaves it to the general way."""
    body = msgspec.json.encode({"model": "m", "max_tokens": 9, "messages": messages, "tools": TOOLS} | fields)
    client = ClientRequest(body=body, model="m", stream=False, request_id="req_1", message_id="msg_1")
    try:
        if learned is not None:
            return encode_known(client, target(), learned)
        return encode_responses(decode_request(body), client, target())
    except ClientError as error:
        return error.message


@given(st.lists(st.tuples(CONVERSATION, FIELDS), min_size=1, max_size=3))
def test_the_memory_changes_nothing(requests: list[tuple[list[Json], Json]]) -> None:
    """Whatever was remembered before, a request, its losses and its errors are those of a fresh start."""
    learned = Learned()
    for messages, fields in requests * 2:
        known = encode(messages, learned, **fields)
        if known is not None:
            assert known == encode(messages, None, **fields)


def test_an_agents_conversation_is_remembered() -> None:
    """Calls, results and the reasoning before them are put together without the general way."""
    turns = [user({"type": "text", "text": "?"}), assistant(carried(reasoning_item()), call("t1")), user(result("t1"))]
    learned = Learned()
    first, second = encode(turns, learned), encode(turns, learned)
    assert isinstance(first, Encoded)
    assert first == second == encode(turns, None)
    assert first.replayed
    assert len(learned.messages.keys()) == 3
