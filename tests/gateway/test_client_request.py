"""What of a call's head routing and translators get."""

from __future__ import annotations

import pytest

from llm_to_anthropic.gateway.client_request import session_id
from tests.gateway.memory_reply import call

UUID = "0b0f5a0e-3c55-4f3a-9a59-2f2c5a1d7c11"


@pytest.mark.parametrize(
    ("told", "known_as"), [(UUID, UUID), ("s" * 128, "s" * 128), ("s" * 129, ""), ("s" * 16_000, ""), ("", "")]
)
def test_what_is_too_long_for_an_id_of_a_session_is_none(told: str, known_as: str) -> None:
    """Requests are remembered by their session, and by no text of any length that a client sends in its place."""
    assert session_id(call({}, headers={"x-claude-code-session-id": told})) == known_as
