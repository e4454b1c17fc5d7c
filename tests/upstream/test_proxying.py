"""Which requests go through a proxy, and how."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from llm_to_anthropic.errors import UpstreamTimeout, UpstreamUnreachable
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream import OutgoingRequest, Upstream
from llm_to_anthropic.upstream.proxying import ProxyRules
from llm_to_anthropic.upstream.request import parse_origin
from tests.upstream.raw_server import OK, Peer, RawServer


def proxy_of(prefix: str, **environ: str) -> str | None:
    """host:port of the proxy for an origin."""
    proxy = ProxyRules(environ).find(parse_origin(prefix))
    return None if proxy is None else proxy.name


@pytest.mark.parametrize(
    ("prefix", "environ", "expected"),
    [
        ("https://a.example", {"HTTPS_PROXY": "http://p:3128"}, "p:3128"),
        ("https://a.example", {"https_proxy": "http://q:1", "HTTPS_PROXY": "http://p:3128"}, "q:1"),
        ("https://a.example", {"https_proxy": "", "HTTPS_PROXY": "http://p:3128"}, None),
        ("https://a.example", {"HTTP_PROXY": "http://p:3128"}, None),
        ("http://a.example", {"HTTP_PROXY": "http://p:3128"}, "p:3128"),
        ("http://a.example", {"ALL_PROXY": "p:3128"}, "p:3128"),
        ("https://a.example", {"all_proxy": "http://p", "HTTPS_PROXY": "http://q:2"}, "q:2"),
        ("https://a.example", {"ALL_PROXY": "http://[::1]:3128"}, "[::1]:3128"),
        ("https://a.example", {}, None),
    ],
    ids=["https", "lower case first", "switched off", "other scheme", "http", "all", "own before all", "IPv6", "none"],
)
def test_variables_choose_the_proxy(prefix: str, environ: dict[str, str], expected: str | None) -> None:
    """The scheme's variable comes before ALL_PROXY, and lower case before upper case."""
    assert proxy_of(prefix, **environ) == expected


@pytest.mark.parametrize(
    ("prefix", "no_proxy", "direct"),
    [
        ("https://api.example", "*", True),
        ("https://api.example", "example", True),
        ("https://api.example", ".example", True),
        ("https://api.example", "*.example", True),
        ("https://API.example", "other, API.EXAMPLE", True),
        ("https://myapi.example", "api.example", False),
        ("https://api.example", "api.example:443", True),
        ("https://api.example", "api.example:8443", False),
        ("http://10.1.2.3:8000", "10.0.0.0/8", True),
        ("http://11.1.2.3:8000", "10.0.0.0/8", False),
        ("http://10.1.2.3:8000", "10.1.2.3:8000", True),
        ("http://[fd00::1]:8000", "fd00::/8", True),
        ("http://[fd00::1]:8000", "[fd00::1]:8000", True),
        ("http://[fd00::1]:8000", "[fd00::1]", True),
        ("https://api.example", "", False),
    ],
)
def test_no_proxy_makes_exceptions(prefix: str, no_proxy: str, direct: bool) -> None:
    """NO_PROXY takes names with all below them, addresses, networks, ports and the star."""
    assert (proxy_of(prefix, ALL_PROXY="http://p:1", NO_PROXY=no_proxy) is None) is direct


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"])
def test_loopback_is_never_proxied(host: str) -> None:
    """What runs on this machine is called directly, whatever the environment says."""
    assert proxy_of(f"http://{host}:8000", ALL_PROXY="http://p:1") is None


@pytest.mark.parametrize("url", ["socks5://p:1", "https://p:1", "http://p:port", "http:///p"])
def test_proxy_of_another_kind_is_refused(url: str) -> None:
    """A proxy that cannot be used is an error that names the variable, not its value."""
    with pytest.raises(UpstreamUnreachable, match="ALL_PROXY") as caught:
        proxy_of("https://a.example", ALL_PROXY=url)
    assert url not in caught.value.message


def test_password_of_a_proxy_does_not_show() -> None:
    """A proxy prints without its password."""
    proxy = ProxyRules({"ALL_PROXY": "http://user:test-key@p:1"}).find(parse_origin("https://a.example"))
    assert "***" in repr(proxy)
    assert "test-key" not in repr(proxy)


def to(url: str) -> OutgoingRequest:
    return OutgoingRequest(method="POST", url=url, headers=[(b"authorization", b"Bearer client-key")], body=b"{}")


async def test_plain_http_goes_through_the_proxy_as_a_whole_url(make_upstream: Callable[..., Upstream]) -> None:
    """A proxy for plain HTTP gets the whole URL and its own credentials."""
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.request())
        await peer.send(OK)

    async with RawServer(script) as proxy:
        environ = {"HTTP_PROXY": f"http://us%65r:p%40ss@127.0.0.1:{proxy.port}"}
        call = await make_upstream(environ=environ).send(to("http://model.example/v1/x?y"))
        assert await call.read_all(10) == b"hi"
    assert got[0].startswith(
        b"POST http://model.example/v1/x?y HTTP/1.1\r\nhost: model.example\r\n"
        b"proxy-authorization: Basic dXNlcjpwQHNz\r\n"
    )


async def test_https_asks_the_proxy_for_a_tunnel(make_upstream: Callable[..., Upstream]) -> None:
    """For https the proxy hears CONNECT and its credentials, and nothing of the request."""
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.head())
        await peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    async with RawServer(script) as proxy:
        environ = {"HTTPS_PROXY": f"http://user:test-key@127.0.0.1:{proxy.port}"}
        with pytest.raises(UpstreamUnreachable, match=r"407.*HTTPS_PROXY") as caught:
            await make_upstream(environ=environ).send(to("https://model.example/v1/x"))
    assert got == [
        b"CONNECT model.example:443 HTTP/1.1\r\nhost: model.example:443\r\n"
        b"proxy-authorization: Basic dXNlcjp0ZXN0LWtleQ==\r\n\r\n"
    ]
    assert "test-key" not in caught.value.message


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "answered 502"),
        (b"", "closed the connection"),
        (b"SSH-2.0\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly bytes", "no HTTP"),
        (b"a" * 100_000, "no HTTP"),
    ],
    ids=["refusal", "closed", "no HTTP", "bytes before TLS", "endless head"],
)
async def test_failing_tunnel_is_explained(
    answer: bytes, sentence: str, make_upstream: Callable[..., Upstream]
) -> None:
    """A proxy that gives no tunnel is named, with what it did and the variable to check."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)

    async with RawServer(script) as proxy:
        client = make_upstream(environ={"ALL_PROXY": f"http://127.0.0.1:{proxy.port}"})
        with pytest.raises(UpstreamUnreachable, match=f"127.0.0.1:{proxy.port} .*{sentence}.*ALL_PROXY"):
            await client.send(to("https://model.example/v1/x"))


async def test_silent_proxy_is_a_connect_timeout(make_upstream: Callable[..., Upstream]) -> None:
    """A proxy that says nothing ends with the connect limit, and its connection is closed."""

    async def script(peer: Peer) -> None:
        await peer.wait_gone()

    async with RawServer(script) as proxy:
        environ = {"ALL_PROXY": f"http://127.0.0.1:{proxy.port}"}
        client = make_upstream(Timeouts(connect_s=0.1), environ)
        with pytest.raises(UpstreamTimeout, match=r"did not accept a connection within 0\.1 s") as caught:
            await client.send(to("https://model.example/v1/x"))
        assert caught.value.phase == "connect"
        async with asyncio.timeout(5):
            await (await proxy.first_peer()).gone.wait()


async def test_trap_proxy_sees_nothing_of_loopback(make_upstream: Callable[..., Upstream]) -> None:
    """With every proxy variable set to a trap, a loopback upstream is called directly."""
    async with RawServer(lambda peer: peer.answer(OK)) as trap, RawServer(lambda peer: peer.answer(OK)) as server:
        url = f"http://127.0.0.1:{trap.port}"
        client = make_upstream(environ={"HTTP_PROXY": url, "ALL_PROXY": url, "http_proxy": url})
        call = await client.send(server.post())
        assert await call.read_all(10) == b"hi"
        assert not trap.peers
