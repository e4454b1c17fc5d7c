"""Fetching what a client names by URL reaches the internet and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable

import pytest

from llm_to_anthropic.upstream import Fetched, Fetcher, NotFetched
from llm_to_anthropic.upstream.connecting import Address
from tests.upstream.certificates import Certificates
from tests.upstream.raw_server import Peer, RawServer

PUBLIC = "93.184.215.14"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
URL = "https://model.example/picture"
METADATA = "http://169.254.169.254/latest/meta-data/"


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, lines, len(body), body)


def redirect(to: str) -> bytes:
    return answer(b"", b"location: " + to.encode(), status=b"302 Found")


class Names:
    """A resolver that knows some names, and a dialler that leads every public address to one server."""

    def __init__(self, port: int = 0, **names: list[str]) -> None:
        self.port = port
        self.names = {"model.example": [[PUBLIC]]} | {name.replace("_", "."): [each] for name, each in names.items()}
        self.asked: list[str] = []
        self.dialled: list[str] = []

    async def resolve(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        if host not in self.names:
            # Numeric hosts are understood by the system, as they would be: no server is asked.
            flags = socket.AI_NUMERICHOST
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
            return [(family, address) for family, _, _, _, address in found]
        answers = self.names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, (each, port)) for each in addresses]

    async def dial(self, addresses: list[Address]) -> socket.socket:
        self.dialled += [str(address[0]) for _, address in addresses]
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return sock


def fetcher(names: Names, certificates: Certificates | None = None, *, within_s: float = 10.0) -> Fetcher:
    environ = certificates.environ if certificates else {}
    return Fetcher(environ, within_s=within_s, resolve=names.resolve, dial=names.dial)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"),
        *("[::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fe80::1]", "[64:ff9b::a9fe:a9fe]", "[::]"),
        *("2130706433", "0177.0.0.1", "0x7f.1", "0xa9fea9fe", "2852039166"),
    ],
)
@pytest.mark.parametrize("port", ["", ":443", ":80"])
async def test_address_within_is_never_dialled(host: str, port: str) -> None:
    """No way of writing a private address leads to a connection."""
    names = Names()
    with pytest.raises(NotFetched, match="public address"):
        await fetcher(names).fetch(f"https://{host}{port}/x.png")
    assert names.dialled == []


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["169.254.169.254"], [PUBLIC, "127.0.0.1"], ["fd00:ec2::254", PUBLIC], []],
    ids=["private", "metadata", "public_and_private", "metadata_and_public", "none"],
)
async def test_name_with_an_address_within_is_never_dialled(addresses: list[str]) -> None:
    """A name of the internet that leads inside, even with one of its addresses, is refused."""
    names = Names(evil_example=addresses)
    with pytest.raises(NotFetched, match="public address"):
        await fetcher(names).fetch("https://evil.example/x.png")
    assert names.dialled == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://model.example/x", "https"),
        ("ftp://model.example/x", "https"),
        ("file:///etc/passwd", "https"),
        ("https:///x", "https"),
        ("//model.example/x", "https"),
        ("https://user:secret@model.example/x", "user name"),
        ("https://model.example:22/x", "port"),
        ("https://model.example:8443/x", "port"),
        ("https://model.example:0/x", "https"),
        ("https://model.example:99999/x", "https"),
        ("https://[::1/x", "https"),
    ],
)
async def test_url_of_another_kind_is_refused_unseen(url: str, why: str) -> None:
    """Only https at the usual ports, without credentials, is even resolved."""
    names = Names()
    with pytest.raises(NotFetched, match=why):
        await fetcher(names).fetch(url)
    assert (names.asked, names.dialled) == ([], [])


async def test_picture_is_fetched_and_its_type_seen(certificates: Certificates) -> None:
    """A public picture comes with the type its bytes have, and nothing that tells who asked was sent."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.send(answer(PNG, b"content-type: text/html"))

    async with RawServer(script, tls=certificates.server_context()) as server:
        names = Names(server.port)
        assert await fetcher(names, certificates).fetch(URL + "?a=b#part") == Fetched("image/png", PNG)
    assert names.dialled == [PUBLIC]
    assert names.asked == ["model.example"]
    assert seen[0].split(b"\r\n")[:-2] == [
        b"GET /picture?a=b HTTP/1.1",
        b"host: model.example",
        b"accept: image/*, application/pdf",
        b"user-agent: llm-to-anthropic",
        b"accept-encoding: identity",
    ]


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
    ],
)
async def test_types_are_known_by_their_bytes(certificates: Certificates, data: bytes, media_type: str) -> None:
    """Every type that the API knows is told by its first bytes."""
    async with serve(certificates, answer(data)) as server:
        assert (await fetcher(Names(server.port), certificates).fetch(URL)).media_type == media_type


def serve(certificates: Certificates, *answers: bytes) -> RawServer:
    """One answer per connection."""
    return RawServer(lambda peer: peer.answer(answers[peer.number]), tls=certificates.server_context())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param(answer(b"<html>"), "neither an image", id="html"),
        pytest.param(answer(b"<svg/>", b"content-type: image/png"), "neither an image", id="svg_named_png"),
        pytest.param(answer(b""), "neither an image", id="empty"),
        pytest.param(answer(PNG, status=b"404 Not Found"), "answered 404", id="missing"),
        pytest.param(answer(PNG)[:-5], "closed the connection", id="cut"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 99000000\r\n\r\n", "larger than 20 MiB", id="large"),
        pytest.param(b"garbage\r\n\r\n", "not valid HTTP", id="no_http"),
    ],
)
async def test_what_is_no_picture_is_refused(certificates: Certificates, given: bytes, why: str) -> None:
    """Whatever else comes is refused with its reason."""
    async with serve(certificates, given) as server:
        with pytest.raises(NotFetched, match=why):
            await fetcher(Names(server.port), certificates).fetch(URL)


async def test_endless_picture_is_cut_at_20_mib(certificates: Certificates) -> None:
    """A body without a length, or a compressed one, counts as it grows."""
    packed = gzip.compress(PNG + bytes(30 << 20))
    endless = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(packed), packed)
    async with serve(certificates, endless) as server:
        with pytest.raises(NotFetched, match=r"larger than 20971520 bytes|beyond all measure"):
            await fetcher(Names(server.port), certificates).fetch(URL)


@pytest.mark.parametrize(
    ("location", "why"),
    [
        (METADATA, "https"),
        (METADATA.replace("http:", "https:"), "public address"),
        ("https://127.0.0.1/x", "public address"),
        ("https://[::ffff:169.254.169.254]/x", "public address"),
        ("https://inside.example/x", "public address"),
        ("http://model.example/x", "https"),
        ("https://user:secret@model.example/x", "user name"),
        ("https://model.example:6379/x", "port"),
        ("gopher://model.example/x", "https"),
    ],
)
async def test_redirect_inside_is_not_followed(certificates: Certificates, location: str, why: str) -> None:
    """A redirect is judged like the URL of a client: there is one connection, to where the first one led."""
    async with serve(certificates, redirect(location)) as server:
        names = Names(server.port, inside_example=["10.0.0.1"])
        with pytest.raises(NotFetched, match=why):
            await fetcher(names, certificates).fetch(URL)
    assert names.dialled == [PUBLIC]


async def test_name_that_changes_its_address_is_looked_at_again(certificates: Certificates) -> None:
    """A name that is public at first and private at the redirect gets one connection, to the public address."""
    async with serve(certificates, redirect("/again")) as server:
        names = Names(server.port)
        names.names["model.example"] = [[PUBLIC], ["169.254.169.254"]]
        with pytest.raises(NotFetched, match="public address"):
            await fetcher(names, certificates).fetch(URL)
    assert names.dialled == [PUBLIC]
    assert names.asked == ["model.example"] * 2


async def test_three_redirects_are_followed_and_no_fourth(certificates: Certificates) -> None:
    """Relative and absolute redirects lead on, three times."""
    steps = [redirect("/two"), redirect("https://model.example/three"), redirect("four")]
    async with serve(certificates, *steps, answer(PNG)) as server:
        names = Names(server.port)
        assert (await fetcher(names, certificates).fetch(URL)).data == PNG
    async with serve(certificates, *steps, redirect("/five"), answer(PNG)) as server:
        with pytest.raises(NotFetched, match="more than 3 redirects"):
            await fetcher(Names(server.port), certificates).fetch(URL)


async def test_certificate_is_verified(certificates: Certificates) -> None:
    """A server that cannot prove its name is not listened to."""
    async with serve(certificates, answer(PNG)) as server:
        with pytest.raises(NotFetched, match=r"certificate of model\.example:443 is not trusted"):
            await fetcher(Names(server.port)).fetch(URL)
        for _ in range(5):
            await asyncio.sleep(0)  # asyncio takes some turns to close what failed


Stall = Callable[[Peer], Awaitable[None]]


async def _silent(peer: Peer) -> None:
    await peer.head()
    await peer.wait_gone()


async def _dripping(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
    while not peer.writer.is_closing():
        await peer.send(b"x")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("script", [_silent, _dripping])
async def test_slow_server_has_one_deadline(certificates: Certificates, script: Stall) -> None:
    """Silence and trickling end alike, after the time that everything together has."""
    async with RawServer(script, tls=certificates.server_context()) as server:
        with pytest.raises(NotFetched, match=r"within 0.3 s"):
            await fetcher(Names(server.port), certificates, within_s=0.3).fetch(URL)
