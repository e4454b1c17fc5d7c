"""Credentials become the header that each upstream expects."""

from __future__ import annotations

import pytest

from llm_to_anthropic.credentials import OAUTH_PREFIX, auth_headers
from llm_to_anthropic.providers.provider import Credential, Protocol, Provider, Secret

BEARER = [(b"authorization", b"Bearer test-key")]


def provider(
    protocol: Protocol, credential: Credential, base_url: str = "http://127.0.0.1:9", preset: str = ""
) -> Provider:
    return Provider(name="p", protocol=protocol, base_url=base_url, credential=credential, preset=preset)


@pytest.mark.parametrize(
    ("protocol", "preset", "header"),
    [
        ("openai_chat", "", (b"authorization", b"Bearer test-key")),
        ("openai_responses", "", (b"authorization", b"Bearer test-key")),
        ("anthropic", "", (b"x-api-key", b"test-key")),
        ("gemini", "", (b"x-goog-api-key", b"test-key")),
        ("openai_chat", "azure-openai", (b"api-key", b"test-key")),
    ],
)
def test_key_in_the_upstreams_header(protocol: Protocol, preset: str, header: tuple[bytes, bytes]) -> None:
    """A configured key goes into the header of the protocol, or of the vendor where it has its own."""
    own = provider(protocol, Credential(key=Secret("test-key")), preset=preset)
    assert auth_headers(own, [(b"x-api-key", b"client-key")]) == [header]


def test_oauth_token_of_anthropic_is_a_bearer_token() -> None:
    """Anthropic's OAuth tokens are sent as a bearer token."""
    token = OAUTH_PREFIX + "-test"
    own = provider("anthropic", Credential(key=Secret(token)))
    assert auth_headers(own, []) == [(b"authorization", b"Bearer " + token.encode())]


def test_no_key_sends_no_header() -> None:
    """A server without a key gets no credential header, and never the client's."""
    assert auth_headers(provider("openai_chat", Credential()), [(b"x-api-key", b"client-key")]) == []


def test_clients_key_reaches_anthropic_as_it_came() -> None:
    """Towards Anthropic's protocol a forwarded key keeps its header, and nothing else goes along."""
    came = [(b"cookie", b"a=b"), (b"x-api-key", b"client-key"), (b"authorization", b"Bearer client-key")]
    assert auth_headers(provider("anthropic", Credential(client=True)), came) == came[1:]


@pytest.mark.parametrize(
    "came",
    [[(b"x-api-key", b"test-key")], [(b"authorization", b"bearer test-key")], [*BEARER, (b"x-api-key", b"other")]],
    ids=["x-api-key", "bearer", "both"],
)
def test_clients_key_is_respelled_for_other_protocols(came: list[tuple[bytes, bytes]]) -> None:
    """Towards another protocol a forwarded key moves into the header that is read there."""
    assert auth_headers(provider("openai_chat", Credential(client=True)), came) == BEARER


def test_client_without_a_key_forwards_nothing() -> None:
    """Where the client sent no key there is none to forward."""
    assert auth_headers(provider("openai_chat", Credential(client=True)), [(b"authorization", b"Basic eA==")]) == []
