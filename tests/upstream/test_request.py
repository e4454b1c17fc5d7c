"""What goes out on the wire."""

from __future__ import annotations

import pytest

from llm_to_anthropic.errors import UpstreamUnreachable
from llm_to_anthropic.upstream import OutgoingRequest, Upstream
from llm_to_anthropic.upstream.request import finish_head, parse_origin, request_line, split_url, standing_head
from tests.upstream.raw_server import OK, Peer, RawServer


def head_of(method: str = "POST", headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b"") -> list[bytes]:
    """The lines of a request's head."""
    request = OutgoingRequest(method=method, url="http://x/", headers=headers or [], body=body)
    standing = standing_head(method, request_line("/v1/x?a=b", "x:80", []), headers or [])
    return finish_head(standing, request).split(b"\r\n")[:-2]


async def test_request_arrives_as_given(client: Upstream) -> None:
    """Method, path, query, headers and body arrive as they were given; host and length are added."""
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.request())
        await peer.send(OK)

    async with RawServer(script) as server:
        call = await client.send(server.post("/v1/a%20b?c=d", b'{"a":1}', {"X-Key": "v"}))
        await call.read_all(10)
    assert got == [
        b"POST /v1/a%%20b?c=d HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nX-Key: v\r\naccept-encoding: identity\r\n"
        b'content-length: 7\r\n\r\n{"a":1}' % server.port
    ]


def test_identity_is_asked_for_unless_the_caller_chooses() -> None:
    """accept-encoding is identity, or what the caller gave."""
    assert b"accept-encoding: identity" in head_of()
    assert head_of(headers=[(b"Accept-Encoding", b"gzip")])[2:-1] == [b"Accept-Encoding: gzip"]


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("POST", b"", b"0"), ("PUT", b"ab", b"2"), ("GET", b"", None), ("DELETE", b"", None), ("DELETE", b"a", b"1")],
    ids=["POST empty", "PUT", "GET", "DELETE", "DELETE with a body"],
)
def test_length_is_sent_where_it_belongs(method: str, body: bytes, length: bytes | None) -> None:
    """content-length is sent with a body, and where a method expects one."""
    lines = [line for line in head_of(method, body=body) if line.startswith(b"content-length")]
    assert lines == ([] if length is None else [b"content-length: " + length])


def test_framing_headers_of_the_caller_do_not_count() -> None:
    """Host, length and transfer-encoding are ours: the caller's cannot contradict the body."""
    lines = head_of(
        headers=[(b"Content-Length", b"9"), (b"Transfer-Encoding", b"chunked"), (b"Host", b"y"), (b"A", b"b")]
    )
    assert lines[1:] == [b"host: x:80", b"A: b", b"accept-encoding: identity", b"content-length: 0"]


@pytest.mark.parametrize("bad", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b"], ids=["CRLF", "LF", "CR", "NUL"])
def test_header_that_would_end_itself_is_refused(bad: bytes) -> None:
    """A value with a line break or NUL is refused; the error names the header, never the value."""
    with pytest.raises(UpstreamUnreachable, match="'authorization'") as caught:
        head_of(headers=[(b"authorization", bad)])
    assert "b: c" not in caught.value.message


def test_target_is_escaped_where_it_must_be() -> None:
    """A target with blanks, line breaks or letters beyond ASCII is percent-encoded; others stay as they are."""
    assert request_line("/a b\r\nc: d/ü", "x", []).startswith(b" /a%20b%0D%0Ac:%20d/%C3%BC HTTP/1.1\r\n")
    assert request_line("/a%2Fb:c?d=e&f", "x", []).startswith(b" /a%2Fb:c?d=e&f HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h:1/a/b?c", ("http://h:1", "/a/b?c")),
        ("https://h", ("https://h", "/")),
        ("https://h?q=/x", ("https://h", "/?q=/x")),
        ("http://[::1]:8/a", ("http://[::1]:8", "/a")),
    ],
)
def test_url_splits_into_origin_and_target(url: str, parts: tuple[str, str]) -> None:
    """The authority ends where path or query begins."""
    assert split_url(url) == parts


@pytest.mark.parametrize(
    ("prefix", "name", "host_header"),
    [
        ("https://API.example", "api.example:443", "api.example"),
        ("http://api.example:8080", "api.example:8080", "api.example:8080"),
        ("http://[::1]", "[::1]:80", "[::1]"),
        ("http://[::1]:8080", "[::1]:8080", "[::1]:8080"),
        ("https://bücher.example", "xn--bcher-kva.example:443", "xn--bcher-kva.example"),
    ],
)
def test_origin_has_its_names(prefix: str, name: str, host_header: str) -> None:
    """The Host header leaves out the scheme's own port; messages always name host and port."""
    origin = parse_origin(prefix)
    assert (origin.name, origin.host_header) == (name, host_header)


@pytest.mark.parametrize("prefix", ["ftp://h", "h:80", "http://", "http://h:port", "http://h:70000", "http://[::1"])
def test_bad_base_url_is_explained(prefix: str) -> None:
    """A base URL that names no HTTP origin is an error that says what to check."""
    with pytest.raises(UpstreamUnreachable, match="base URL"):
        parse_origin(prefix)


def test_credentials_in_a_base_url_are_refused_unseen() -> None:
    """User and password do not belong into a base URL, and are not repeated in the error."""
    with pytest.raises(UpstreamUnreachable, match="take it out") as caught:
        parse_origin("https://user:test-key@h")
    assert "test-key" not in caught.value.message


async def test_upstream_on_ipv6_is_reached(client: Upstream) -> None:
    """IPv6 literals work as hosts."""
    try:
        server = await RawServer(lambda peer: peer.answer(OK), host="::1").__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    try:
        call = await client.send(server.post())
        assert await call.read_all(10) == b"hi"
    finally:
        await client.close()
        await server.__aexit__(None, None, None)
