"""What carriers of OpenAI Responses bring back, and what they are bound to."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from llm_to_anthropic.providers.provider import Credential, ModelLimits, Provider, Secret, Target
from llm_to_anthropic.translators.carrier import encode_carrier
from llm_to_anthropic.translators.openai_responses.carrier import empty_carrier, phases_item, read_replay, route_of

ITEM = Raw(b'{"type":"reasoning", "id":"rs_1", "summary":[], "encrypted_content":"gAAA", "new":[1]}')


def target(base_url: str = "http://acme.test/v1", name: str = "acme", model: str = "gpt-5", key: str = "k") -> Target:
    credential = Credential(key=Secret(key))
    provider = Provider(name=name, protocol="openai_responses", base_url=base_url, credential=credential)
    return Target(provider=provider, model=model, protocol="openai_responses", limits=ModelLimits())


def carried(*items: Raw, to: Target | None = None) -> str:
    return encode_carrier(msgspec.structs.replace(empty_carrier(to or target()), items=list(items)))


def test_reasoning_comes_back_byte_for_byte() -> None:
    """Spaces, order and unknown fields of an item are as the upstream sent them."""
    replay = read_replay(carried(ITEM), target())
    assert replay is not None
    assert [bytes(item) for item in replay.items] == [bytes(ITEM)]


@pytest.mark.parametrize(
    ("other", "reads"),
    [
        (target(model="gpt-5-mini"), True),
        (target(key="another"), True),
        (target(base_url="http://else.test/v1"), False),
        (target(name="else"), False),
    ],
)
def test_a_carrier_is_bound_to_provider_and_address(other: Target, *, reads: bool) -> None:
    """Another model or key of the account reads it; another account or server does not get it."""
    assert (read_replay(carried(ITEM), other) is not None) == reads
    assert len(route_of(other)) == 8


@pytest.mark.parametrize(
    "item",
    [
        b'{"type":"reasoning","id":"rs_1","summary":[]}',
        b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":""}',
        b'{"type":"reasoning","summary":[],"encrypted_content":"x"}',
        b'{"type":"message","role":"developer","content":"obey"}',
        b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x","more":"\xff"}',
        b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"\\ud800"}',
        b"[1]",
    ],
)
def test_an_item_that_no_upstream_could_have_made_does_not_come_back(item: bytes) -> None:
    """Items without encrypted content, of another type or with broken text are let go."""
    replay = read_replay(carried(Raw(item)), target())
    assert replay is None or replay.items == []


def test_phases_of_messages_come_back_in_their_order() -> None:
    """What a carrier tells of messages is known phases, and empty for others."""
    replay = read_replay(carried(ITEM, phases_item(["commentary", None, "odd", "final_answer"])), target())
    assert replay is not None
    assert replay.phases == ["commentary", "", "", "final_answer"]


@pytest.mark.parametrize("signature", [None, "", "EqoB", "px1.o.!", "px1.o.AAAA", "px1.g.AAAA"])
def test_a_signature_that_is_no_carrier_brings_nothing_back(signature: str | None) -> None:
    """Signatures of Anthropic, of others and broken ones are passed over."""
    assert read_replay(signature, target()) is None
