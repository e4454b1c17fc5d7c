"""Who is served, by where the server listens, who asks, and what is configured."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from llm_to_anthropic.providers.provider import Secret
from llm_to_anthropic.settings import ClientKey
from tests.http.fake import Front, RawClient, front

KEYS = (ClientKey(secret=Secret("client-key")),)
SENT: dict[str, dict[str, str]] = {"none": {}, "key": {"x-api-key": "client-key"}, "wrong": {"x-api-key": "wrong"}}


def _own_address() -> str:
    """An address of this machine that is not loopback: whoever comes by it could be anybody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing
            address = str(sock.getsockname()[0])
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return address


def _listening(port: int) -> set[str]:
    """The IPv4 addresses on which somebody listens at a port, as the system tells."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("this system does not tell who listens")
    rows = [line.split() for line in table.read_text().splitlines()[1:]]
    places = [row[1].partition(":") for row in rows if row[3] == "0A"]
    return {socket.inet_ntoa(bytes.fromhex(address)[::-1]) for address, _, number in places if int(number, 16) == port}


async def _status(server: Front, address: str, headers: dict[str, str]) -> int:
    reader, writer = await asyncio.open_connection(address, server.port)
    try:
        client = RawClient(reader, writer)
        await client.send(server.encode("POST", "/v1/messages", {"host": f"{address}:{server.port}"} | headers, b"{}"))
        return (await client.response()).status
    finally:
        writer.close()


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("keys", [(), KEYS], ids=["without_keys", "with_keys"])
async def test_only_who_may_is_served(sent: dict[str, str], is_open: bool, keys: tuple[ClientKey, ...]) -> None:
    """With keys a key opens, and nothing else; without, this machine is served, and others where that is set."""
    outside = _own_address()
    async with front(host="0.0.0.0", client_keys=keys, allow_unauthenticated=is_open) as server:
        statuses = [await _status(server, address, sent) for address in ("127.0.0.1", outside)]
        assert _listening(server.port) == {"0.0.0.0"}
        answer = await server.post(sent)
    has_key = sent.get("x-api-key") == "client-key"
    expected = [has_key, has_key] if keys else [True, is_open]
    assert statuses == [200 if served else 401 for served in expected]
    assert answer.status == 200 or "PROXY_API_KEYS" in answer.json()["error"]["message"]


async def test_loopback_is_not_reached_from_outside() -> None:
    """A server that was told to listen on loopback hears nobody else."""
    outside = _own_address()
    async with front(host="127.0.0.1") as server:
        assert _listening(server.port) == {"127.0.0.1"}
        with pytest.raises(ConnectionError):
            await _status(server, outside, {})
