"""Fetches images and documents that clients name by URL: the one place where a client says where to connect to.

So nothing is taken on trust: each name is resolved once, every address it has must be public, and the connection goes
to an address that was looked at. A redirect is a new URL and is judged as one. Proxies are not used, since they resolve
by themselves, and nothing is sent that tells who asks.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from llm_to_anthropic.errors import ClientError, UpstreamError
from llm_to_anthropic.providers.timeouts import CallTimeouts
from llm_to_anthropic.trust import Trust
from llm_to_anthropic.upstream.addresses import is_public
from llm_to_anthropic.upstream.call import UpstreamCall
from llm_to_anthropic.upstream.connecting import Address, attach, first_to_connect, handshake_text
from llm_to_anthropic.upstream.connection import Connection
from llm_to_anthropic.upstream.request import (
    Origin,
    OutgoingRequest,
    finish_head,
    parse_origin,
    request_line,
    split_url,
    standing_head,
)

MAX_BYTES = 20 * 1024 * 1024
MAX_REDIRECTS = 3
WITHIN_S = 10.0
"""Everything: names, connections, redirects, the body."""
_PORTS = (80, 443)
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = [(b"accept", b"image/*, application/pdf"), (b"user-agent", b"llm-to-anthropic")]

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)

Resolve = Callable[[str, int], Awaitable[list[Address]]]
Dial = Callable[[list[Address]], Awaitable[socket.socket]]


class Fetched(msgspec.Struct, frozen=True):
    """What a URL led to, its type judged by its first bytes."""

    media_type: str
    data: bytes


class NotFetched(ClientError):
    """The URL leads to nothing that may be fetched; the message follows after the URL's place in the request."""


async def _resolve(host: str, port: int) -> list[Address]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


class Fetcher:
    """Fetches one file at a time. `environ` names trusted authorities, as for `Upstream`."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        within_s: float = WITHIN_S,
        resolve: Resolve = _resolve,
        dial: Dial = first_to_connect,
    ) -> None:
        self._within_s = within_s
        self._trust = Trust(environ)
        self._resolve = resolve
        self._dial = dial

    async def fetch(self, url: str) -> Fetched:
        """The image or PDF behind a public https URL: 20 MB at most, in 10 s. Raises NotFetched."""
        try:
            async with asyncio.timeout(self._within_s):
                data = await self._follow(url)
        except TimeoutError as error:
            raise NotFetched(f"could not be fetched within {self._within_s:g} s") from error
        except UpstreamError as error:
            raise NotFetched(f"could not be fetched: {error.message}") from error
        return Fetched(_media_type(data), data)

    async def _follow(self, url: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            call = await self._get(url)
            try:
                await call.head()
                if call.status not in _REDIRECTS:
                    return await _body(call)
                url = urljoin(url, call.header(b"location").decode("latin-1"))
            finally:
                call.close()
        raise NotFetched(f"leads to more than {MAX_REDIRECTS} redirects")

    async def _get(self, url: str) -> UpstreamCall:
        origin, target = _checked(url)
        addresses = await self._public(origin)
        loop = asyncio.get_running_loop()
        connection = Connection(loop, lambda free: free.abort(), lambda _: None)
        try:
            sock = await self._dial(addresses)
            await attach(connection, sock, self._trust.context(), origin.host)
        except OSError as error:
            raise NotFetched(f"could not be fetched: {handshake_text(origin, error)}") from error
        call = UpstreamCall(origin.name, CallTimeouts(), loop, (_never_again, ()))
        call.redirects = True
        standing = standing_head("GET", request_line(target, origin.host_header, []), _HEADERS)
        head = finish_head(standing, OutgoingRequest(method="GET", url=url, headers=_HEADERS))
        connection.start(call, head, b"")
        return call

    async def _public(self, origin: Origin) -> list[Address]:
        """The addresses of a host, all of which are public."""
        try:
            addresses = await self._resolve(origin.host, origin.port)
        except (OSError, UnicodeError) as error:
            raise NotFetched(f"names a host that does not resolve ({origin.host})") from error
        # One private address is enough to refuse: which of them answers is not ours to choose.
        if not addresses or not all(is_public(str(address[0])) for _, address in addresses):
            raise NotFetched("must lead to a public address")
        return addresses


async def _never_again(_call: UpstreamCall) -> None:
    raise NotFetched("could not be fetched: the connection broke")


def _checked(url: str) -> tuple[Origin, str]:
    """Origin and request target of a URL that may be fetched."""
    parts = _split(url)
    if parts is None or parts.scheme != "https" or not parts.hostname:
        raise NotFetched("must be an https URL")
    if "@" in parts.netloc:
        raise NotFetched("must not hold a user name or password")
    if (parts.port or 443) not in _PORTS:
        raise NotFetched("must be at port 443 or 80")
    prefix, target = split_url(url.partition("#")[0])
    return parse_origin(prefix), target


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        known = parts.port != 0
    except ValueError:
        return None
    return parts if known else None


async def _body(call: UpstreamCall) -> bytes:
    if call.status != 200:
        raise NotFetched(f"could not be fetched: the server answered {call.status}")
    length = call.header(b"content-length")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise NotFetched(f"is larger than {MAX_BYTES >> 20} MiB")
    return await call.read_all(MAX_BYTES)


def _media_type(data: bytes) -> str:
    """Judged by the first bytes: what a server says of a file is only as good as the server."""
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise NotFetched("is neither an image (PNG, JPEG, GIF, WebP) nor a PDF")
