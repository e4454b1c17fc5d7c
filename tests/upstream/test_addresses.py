"""Which addresses may be dialled."""

from __future__ import annotations

import pytest

from llm_to_anthropic.errors import UpstreamUnreachable
from llm_to_anthropic.upstream import OutgoingRequest, Upstream
from llm_to_anthropic.upstream.addresses import is_forbidden, is_public

METADATA = ("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "100.100.100.200", "fd00:ec2::254")
PRIVATE = (
    *("127.0.0.1", "127.255.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1"),
    *("192.0.0.8", "192.0.2.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "169.254.0.1"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1"),
    *("64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "3fff::1"),
    *("fec0::1", "::ffff:0:7f00:1", "::ffff:0:169.254.169.254", "100:0:0:1::1", "5f00::1", "4000::1"),
)


@pytest.mark.parametrize("address", METADATA + PRIVATE)
def test_address_of_a_network_within_is_not_public(address: str) -> None:
    """Whatever is not the internet, however it is written, is told apart from it."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_address_of_the_internet_is_public(address: str) -> None:
    """Other addresses are public, also those behind a network's translation to IPv4."""
    assert is_public(address)
    assert not is_forbidden(address)


@pytest.mark.parametrize("address", [*METADATA, "169.254.0.1", "fe80::1"])
def test_address_of_credentials_is_forbidden_even_to_upstreams(address: str) -> None:
    """Where clouds keep a machine's credentials, and on the link itself, there is no model."""
    assert is_forbidden(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "fc00::1"])
def test_model_in_a_private_network_is_allowed(address: str) -> None:
    """Upstreams are configured, and may well be at home."""
    assert not is_forbidden(address)


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "0251.0376.0251.0376"])
async def test_link_local_base_url_is_not_dialled(client: Upstream, host: str) -> None:
    """A base URL that leads to a cloud's metadata, however it is written, is refused before anything is sent."""
    request = OutgoingRequest(method="POST", url=f"http://{host}/v1/x", headers=[(b"authorization", b"Bearer key")])
    with pytest.raises(UpstreamUnreachable, match="link-local"):
        await client.send(request)
