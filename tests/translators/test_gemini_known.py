"""A conversation that Gemini was sent before is put together again, and nobody can tell the difference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.encoding import Encoded
from llm_to_anthropic.translators.gemini.encoding import GeminiEncoding
from llm_to_anthropic.translators.gemini.request import encode_gemini, encode_known
from llm_to_anthropic.translators.memory.conversation import KEPT_BACK, SHORT_BYTES
from llm_to_anthropic.translators.memory.memory import Memory
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.translator import Learned
from tests.translators.chat_requests import assistant, call, result, user
from tests.translators.conversations import CONVERSATION, FIELDS, TOOLS
from tests.translators.gemini_requests import NEW, OLD, Json, a_client, carried, target

TARGETS = [target(OLD), target(NEW)]
SIGNED = carried({"k": "fc", "n": 0, "id": "own-1", "sig": "c2lnbmVk"}, {"k": "fc", "n": 1, "id": "own-2"})


def encode(
    messages: list[Json], learned: Learned | None, to: Target = TARGETS[1], **fields: Json
) -> Encoded[GeminiEncoding] | str | None:
    """The encoding, or what is wrong; None where the memory leaves it to the general way."""
    client = a_client({"messages": messages, "tools": TOOLS} | fields)
    try:
        if learned is not None:
            return encode_known(client, to, learned)
        return encode_gemini(decode_request(client.body), client, to)
    except ClientError as error:
        return error.message


@given(st.lists(st.tuples(CONVERSATION, FIELDS), min_size=1, max_size=3))
def test_the_memory_changes_nothing(requests: list[tuple[list[Json], Json]]) -> None:
    """Whatever was remembered before, of any model, a request, its losses and errors are those of a fresh start."""
    learned = Learned()
    for messages, fields in requests * 2:
        for to in TARGETS:
            known = encode(messages, learned, to, **fields)
            if known is not None:
                assert known == encode(messages, None, to, **fields)


def test_an_agents_conversation_is_remembered() -> None:
    """Calls, results, and the signatures before them are put together without the general way."""
    ask, say = user({"type": "text", "text": "?"}), {"role": "system", "content": "mind this"}
    turns = [ask, assistant(SIGNED, call("t1"), call("t2")), user(result("t1"), result("t2")), say, ask]
    learned = Learned()
    first, second = encode(turns, learned), encode(turns, learned)
    assert isinstance(first, Encoded)
    assert first == second == encode(turns, None)
    assert b"c2lnbmVk" in first.body


@pytest.mark.parametrize(
    "made",
    [
        pytest.param([call("t1", name="other")], id="another tool"),
        pytest.param([SIGNED, call("t1")], id="an id of the upstream's"),
    ],
)
def test_results_are_those_of_the_calls_before_them(made: list[Json]) -> None:
    """The same result after another call is sent as the result of that call."""
    learned = Learned()
    ask, answer = user({"type": "text", "text": "?"}), user(result("t1"))
    encode([ask, assistant(call("t1")), answer], learned)
    known = encode([ask, assistant(*made), answer], learned)
    assert known is not None
    assert known == encode([ask, assistant(*made), answer], None)


@pytest.mark.parametrize("roles", ["uausu", "auau", "uaau", "uusau", "suau"])
def test_neighbours_of_one_role_are_one_content(roles: str) -> None:
    """Contents alternate and begin with the user, also where messages are known and do not."""
    names = {"u": "user", "a": "assistant", "s": "system"}
    turns: list[Json] = [{"role": names[role], "content": f"say {n}"} for n, role in enumerate(roles)]
    known = encode(turns, Learned())
    assert known is not None
    assert known == encode(turns, None)


def test_beginning_of_a_conversation_is_not_read_again() -> None:
    """A turn that repeats a long conversation is known by its beginning, and only what follows is looked up."""
    learned = Learned()
    turns: list[Json] = [user({"type": "text", "text": "?" * SHORT_BYTES})]
    for number in range(5):
        turns += [assistant(SIGNED, call(f"t{number}")), user(result(f"t{number}"))]
    encode(turns, learned)
    learned.messages = Memory()
    assert encode(turns, learned) == encode(turns, None)
    assert len(learned.messages.keys()) == KEPT_BACK
