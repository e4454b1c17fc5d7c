"""What conversations needed is remembered of so many and no more: clients name their sessions and models."""

from __future__ import annotations

import pytest

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.gateway.call import Call
from llm_to_anthropic.gateway.known_mends import MAX_CONVERSATIONS, MAX_SESSIONS, KnownMends
from llm_to_anthropic.providers.provider import Credential, ModelLimits, Provider, Target
from llm_to_anthropic.translators.foreign_turns import Mend, mend_for
from tests.gateway.memory_reply import call

PROVIDER = Provider(name="p", protocol="anthropic", base_url="https://relay.test", credential=Credential())


def target(model: str = "m") -> Target:
    return Target(provider=PROVIDER, model=model, protocol="anthropic", limits=ModelLimits())


def asked(session: str, first: str = "hi") -> Call:
    body = {"messages": [{"role": "user", "content": first}]}
    return call(body, headers={"x-claude-code-session-id": session})


def a_mend() -> Mend:
    mend = mend_for(UpstreamError(400, "tool_use ids must be unique"), PROVIDER)
    assert mend is not None
    return mend


@pytest.mark.parametrize(
    ("turns", "most"),
    [
        ([(asked(f"s{number}"), target()) for number in range(MAX_SESSIONS + 9)], MAX_SESSIONS),
        ([(asked("s"), target(f"m{number}")) for number in range(MAX_SESSIONS + 9)], MAX_SESSIONS),
        ([(asked("s", f"{number}"), target()) for number in range(MAX_CONVERSATIONS + 9)], MAX_CONVERSATIONS),
        ([(asked("s" * 4096), target())], 0),
        ([(asked(""), target())], 0),
    ],
    ids=["sessions", "models", "conversations of one", "no id", "no session"],
)
def test_mends_are_known_of_so_many(turns: list[tuple[Call, Target]], most: int) -> None:
    """The latest is known, where a session is told, and never more than the bound."""
    known, mends = KnownMends(), (a_mend(),)
    for each, place in turns:
        known.keep(each, place, mends)
    found = [known.of(each, place) for each, place in turns]
    assert sum(map(bool, found)) <= most
    assert bool(found[-1]) is bool(most)
