"""TLS is verified, always; what cannot be reached is explained."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_to_anthropic.credentials.entra import fetch_token
from llm_to_anthropic.credentials.login import LoginFailure
from llm_to_anthropic.errors import UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from llm_to_anthropic.providers.provider import EntraAccount, Secret
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream import OutgoingRequest, Upstream
from tests.upstream.certificates import Certificates
from tests.upstream.raw_server import OK, Peer, RawServer


def serve(certificates: Certificates, *answers: bytes) -> RawServer:
    return RawServer(lambda peer: peer.answer(*answers), tls=certificates.server_context())


async def test_own_authority_is_accepted(certificates: Certificates, make_upstream: Callable[..., Upstream]) -> None:
    """With SSL_CERT_FILE naming its authority an upstream is trusted, and its connection is used again."""
    client = make_upstream(environ=certificates.environ)
    async with serve(certificates, OK, OK) as server:
        for _ in range(2):
            call = await client.send(server.post())
            assert await call.read_all(10) == b"hi"
        assert len(server.peers) == 1
        spoken = server.peers[0].writer.get_extra_info("ssl_object").selected_alpn_protocol()
        await client.close()
    assert spoken == "http/1.1"


async def test_unknown_authority_is_refused(certificates: Certificates, client: Upstream) -> None:
    """A certificate that nobody trusted has signed is refused, and the error says how to trust it."""
    async with serve(certificates, OK) as server:
        with pytest.raises(UpstreamUnreachable, match=rf"127.0.0.1:{server.port} is not trusted.*SSL_CERT_FILE"):
            await client.send(server.post())


async def test_certificate_for_another_name_is_refused(
    certificates: Certificates, make_upstream: Callable[..., Upstream]
) -> None:
    """A certificate counts for the names that it holds."""
    client = make_upstream(environ=certificates.environ)
    async with serve(certificates, OK) as server:
        request = OutgoingRequest(method="POST", url=f"https://localhost:{server.port}/", headers=[])
        with pytest.raises(UpstreamUnreachable, match=r"[Hh]ostname mismatch"):
            await client.send(request)


async def test_plain_http_behind_https_is_explained(
    certificates: Certificates, make_upstream: Callable[..., Upstream]
) -> None:
    """https towards a server that speaks plain HTTP says which scheme to write."""

    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with RawServer(script) as server:
        client = make_upstream(environ=certificates.environ)
        request = OutgoingRequest(method="GET", url=f"https://127.0.0.1:{server.port}/", headers=[])
        with pytest.raises(UpstreamUnreachable, match="must start with http://"):
            await client.send(request)


async def hang_up(peer: Peer) -> None:
    """While TLS begins."""
    await peer.reader.read(1)
    peer.writer.close()


async def test_end_amid_the_handshake_is_explained(client: Upstream) -> None:
    """A server that hangs up while TLS begins is said to have done so, and no reason is given where it gave none."""

    async with RawServer(hang_up) as server:
        request = OutgoingRequest(method="GET", url=f"https://127.0.0.1:{server.port}/", headers=[])
        with pytest.raises(UpstreamUnreachable, match=r"closed the connection while it was being set up(\.$| \(\w)"):
            await client.send(request)


async def test_end_amid_the_handshake_is_told_once(client: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    """A server that hangs up while TLS begins is told to whoever called it, and not to the event loop's log beside."""

    async with RawServer(hang_up) as server:
        request = OutgoingRequest(method="GET", url=f"https://127.0.0.1:{server.port}/", headers=[])
        with pytest.raises(UpstreamUnreachable):
            await client.send(request)
    assert caplog.record_tuples == []


async def test_silent_handshake_is_a_timeout_of_tls(make_upstream: Callable[..., Upstream]) -> None:
    """A server that accepts and then says nothing of TLS ends with the limit of TLS, its connection closed."""

    async def script(peer: Peer) -> None:
        await peer.wait_gone()

    async with RawServer(script) as server:
        client = make_upstream(Timeouts(tls_s=0.1))
        request = OutgoingRequest(method="GET", url=f"https://127.0.0.1:{server.port}/", headers=[])
        with pytest.raises(UpstreamTimeout, match=r"did not come to terms on TLS within 0\.1 s") as caught:
            await client.send(request)
        assert caught.value.phase == "tls"
        await asyncio.wait_for(server.peers[0].gone.wait(), 5)


async def test_logins_trust_whom_upstreams_trust(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SSL_CERT_FILE a login reaches its token server by that authority, as requests reach their upstream."""
    token = b'{"access_token":"token-0","expires_in":3600}'
    answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(token), token)
    monkeypatch.setenv("SSL_CERT_FILE", certificates.environ["SSL_CERT_FILE"])
    async with serve(certificates, answer) as server:
        authority = f"https://127.0.0.1:{server.port}"
        account = EntraAccount(tenant="acme.test", client_id="app", secret=Secret("nobody"), authority=authority)
        fetched = await asyncio.to_thread(fetch_token, account)
    assert fetched.headers == ((b"authorization", b"Bearer token-0"),)


async def test_logins_refuse_an_unknown_authority(certificates: Certificates) -> None:
    """A token server is verified as upstreams are: no secret goes to one whose certificate nobody trusted signed."""
    async with serve(certificates, OK) as server:
        authority = f"https://127.0.0.1:{server.port}"
        account = EntraAccount(tenant="acme.test", client_id="app", secret=Secret("nobody"), authority=authority)
        with pytest.raises(LoginFailure, match="cannot be reached"):
            await asyncio.to_thread(fetch_token, account)
        assert not server.peers


async def test_login_names_a_certificate_file_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSL_CERT_FILE that cannot be read is the login's subject too."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    account = EntraAccount(
        tenant="acme.test", client_id="app", secret=Secret("nobody"), authority="https://127.0.0.1:1"
    )
    with pytest.raises(LoginFailure, match=r"SSL_CERT_FILE.*none\.pem"):
        await asyncio.to_thread(fetch_token, account)


async def test_missing_certificate_file_is_named(make_upstream: Callable[..., Upstream], tmp_path: Path) -> None:
    """SSL_CERT_FILE that cannot be read is the error's subject."""
    client = make_upstream(environ={"SSL_CERT_FILE": str(tmp_path / "none.pem")})
    with pytest.raises(UpstreamUnreachable, match=r"SSL_CERT_FILE.*none\.pem"):
        await client.send(OutgoingRequest(method="GET", url="https://127.0.0.1:1/", headers=[]))


async def test_large_request_over_tls(certificates: Certificates, make_upstream: Callable[..., Upstream]) -> None:
    """A large body arrives whole over TLS too."""
    sizes: list[int] = []

    async def script(peer: Peer) -> None:
        sizes.append(len((await peer.request()).partition(b"\r\n\r\n")[2]))
        await peer.send(OK)

    client = make_upstream(environ=certificates.environ)
    async with RawServer(script, tls=certificates.server_context()) as server:
        call = await client.send(server.post(body=bytes(4 << 20)))
        assert await call.read_all(10) == b"hi"
        await client.close()
    assert sizes == [4 << 20]


async def test_tunnel_carries_tls(certificates: Certificates, make_upstream: Callable[..., Upstream]) -> None:
    """Through CONNECT the upstream's own certificate is verified, and the tunnel is used again."""
    context = certificates.server_context()
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await peer.writer.start_tls(context)
        for _ in range(2):
            got.append(await peer.request())
            await peer.send(OK)

    async with RawServer(script) as proxy:
        environ = {**certificates.environ, "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        client = make_upstream(environ=environ)
        for _ in range(2):
            request = OutgoingRequest(method="GET", url="https://model.example/v1/models", headers=[])
            call = await client.send(request)
            assert await call.read_all(10) == b"hi"
        assert len(proxy.peers) == 1
        await client.close()
    assert got == [b"GET /v1/models HTTP/1.1\r\nhost: model.example\r\naccept-encoding: identity\r\n\r\n"] * 2


async def test_cut_over_tls_is_noticed(certificates: Certificates, make_upstream: Callable[..., Upstream]) -> None:
    """An answer that stops midway is an error over TLS too."""
    client = make_upstream(environ=certificates.environ)
    async with serve(certificates, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart") as server:
        call = await client.send(server.post())
        with pytest.raises(UpstreamProtocolError, match="in the middle"):
            await call.read_all(10)


async def test_refused_connection_is_explained(client: Upstream) -> None:
    """Where nothing listens the error names host and port and says what to check."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    request = OutgoingRequest(method="GET", url=f"http://127.0.0.1:{port}/", headers=[])
    with pytest.raises(UpstreamUnreachable, match=f"127.0.0.1:{port} refuses connections.*base URL"):
        await client.send(request)


async def test_refused_localhost_is_explained(client: Upstream) -> None:
    """A name with several addresses that all refuse gives the same sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    request = OutgoingRequest(method="GET", url=f"http://localhost:{port}/", headers=[])
    with pytest.raises(UpstreamUnreachable, match=f"localhost:{port} refuses connections"):
        await client.send(request)


async def test_second_address_of_a_name_is_tried(client: Upstream) -> None:
    """A server that listens on one address of a name only is reached."""
    async with RawServer(lambda peer: peer.answer(OK)) as server:
        request = OutgoingRequest(method="GET", url=f"http://localhost:{server.port}/", headers=[])
        call = await client.send(request)
        assert await call.read_all(10) == b"hi"


async def test_unknown_name_is_explained(client: Upstream) -> None:
    """A name that does not resolve is the error's subject."""
    request = OutgoingRequest(method="GET", url="http://no-such-host.invalid/", headers=[])
    with pytest.raises(UpstreamUnreachable, match=r"no-such-host\.invalid does not resolve.*base URL"):
        await client.send(request)


async def test_end_of_a_large_answer_is_not_kept_back(
    certificates: Certificates, make_upstream: Callable[..., Upstream]
) -> None:
    """What comes while nobody reads is all there for a reader who comes back, though the upstream says nothing more."""
    first, rest = bytes(150_000), bytes(16 * 16 * 1024 + 300)
    paused, sent = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(first) + len(rest)) + first)
        await paused.wait()
        peer.writer.transport.set_write_buffer_limits(high=1)
        await peer.send(rest)
        sent.set()
        await peer.wait_gone()

    client = make_upstream(Timeouts(idle_s=2.0), environ=certificates.environ)
    async with RawServer(script, tls=certificates.server_context()) as server:
        call = await client.send(server.post())
        await call.head()
        while call.unread < len(first):  # noqa: ASYNC110  nobody is told what is not read
            await asyncio.sleep(0)
        paused.set()
        await sent.wait()
        assert len(await call.read_all(1_000_000)) == len(first) + len(rest)
        await client.close()


async def test_end_that_comes_while_nobody_reads_is_heard(
    certificates: Certificates, make_upstream: Callable[..., Upstream]
) -> None:
    """An answer that the end of TLS ends is complete, for a slow reader too, though the socket stays open."""
    size = 300_000
    sent = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.writer.transport.set_write_buffer_limits(high=1)
        await peer.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + bytes(size))
        peer.writer.close()  # says that nothing follows, and waits to be told the same
        sent.set()

    client = make_upstream(Timeouts(idle_s=2.0), environ=certificates.environ)
    async with RawServer(script, tls=certificates.server_context()) as server:
        call = await client.send(server.post())
        await call.head()
        while call.unread < 128 * 1024:  # noqa: ASYNC110  as much as is read ahead; nobody is told what is not read
            await asyncio.sleep(0)
        await sent.wait()
        assert len(await call.read_all(1_000_000)) == size


async def test_connection_given_up_on_its_way_disturbs_no_other(
    certificates: Certificates, make_upstream: Callable[..., Upstream]
) -> None:
    """Whenever a client leaves while TLS is being set up, the connections after it come to terms at once."""
    client = make_upstream(Timeouts(tls_s=1.0), environ=certificates.environ)
    async with serve(certificates, OK) as server:
        for turns in range(40):
            given_up = asyncio.ensure_future(client.send(server.post()))
            for _ in range(turns):
                await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
            calls = await asyncio.gather(*(client.send(server.post()) for _ in range(3)))
            assert [await call.read_all(10) for call in calls] == [b"hi"] * 3
        await client.close()
