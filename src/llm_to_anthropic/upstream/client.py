"""The client: sends a request on a pooled or a new connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from llm_to_anthropic.errors import UpstreamUnreachable
from llm_to_anthropic.outbox import Outbox
from llm_to_anthropic.providers.timeouts import CallTimeouts
from llm_to_anthropic.trust import Trust
from llm_to_anthropic.upstream.call import UpstreamCall
from llm_to_anthropic.upstream.connecting import open_connection
from llm_to_anthropic.upstream.connection import Connection
from llm_to_anthropic.upstream.pool import Pool
from llm_to_anthropic.upstream.proxying import Proxy, ProxyRules
from llm_to_anthropic.upstream.request import (
    Origin,
    OutgoingRequest,
    finish_head,
    parse_origin,
    request_line,
    split_url,
    standing_head,
)

_MAX_READY = 1024
"""Request lines, and heads, kept ready. Origins need no such limit: base URLs come from the configuration."""
_HeadKey = tuple[str | tuple[bytes, bytes], ...]
"""Method, URL and headers."""
_Given = Sequence[tuple[bytes, bytes]]
_SHUTTING_DOWN = "This proxy is shutting down."


class _Site:
    """An origin with the way to it and its idle connections."""

    __slots__ = ("gone", "keep", "loop", "name", "origin", "pool", "proxy")

    def __init__(
        self,
        origin: Origin,
        proxy: Proxy | None,
        loop: asyncio.AbstractEventLoop,
        forget: Callable[[_Site, Connection], None],
    ) -> None:
        """`forget` is told of connections that are gone."""
        self.name = origin.name
        self.loop = loop  # kept: to ask for the running one costs a system call
        self.origin = origin
        self.proxy = proxy
        self.pool = Pool(loop)
        # Made once: each connection holds them.
        self.keep = self.pool.keep
        self.gone = partial(forget, self)

    def request_line(self, target: str) -> bytes:
        host = self.origin.host_header
        if self.proxy is None or self.origin.scheme == "https":
            return request_line(target, host, [])
        # A proxy for plain HTTP reads the whole URL out of the request line (RFC 9112, section 3.2.2).
        return request_line(f"http://{host}{target}", host, self.proxy.header_lines())


_Sent = tuple[_Given, _Given, str, tuple[_Site, bytes]]
"""Headers, those that authenticate, method; site and standing head."""


class Upstream:
    """Sends requests upstream; one instance per event loop, which keeps its connections.

    `environ` is where proxies (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, also in lower case) and trusted
    authorities (SSL_CERT_FILE, SSL_CERT_DIR) are read from; without it there are none.
    """

    def __init__(self, timeouts: CallTimeouts, *, environ: Mapping[str, str] | None = None) -> None:
        self._timeouts = timeouts
        self._trust = Trust(environ or {})
        self._proxies = ProxyRules(environ or {})
        self._sites: dict[str, _Site] = {}
        self._lines: dict[str, tuple[_Site, bytes]] = {}
        self._heads: dict[_HeadKey, tuple[_Site, bytes]] = {}
        self._last: dict[str, _Sent] = {}
        """What was sent to a URL last, and its head: the next request mostly has the very same headers."""
        self._open: set[Connection] = set()
        self._outbox = Outbox()
        self._closed = False
        self._all_gone: asyncio.Future[None] | None = None

    @property
    def connections(self) -> int:
        """How many are open, idle ones included."""
        return len(self._open)

    async def send(self, request: OutgoingRequest, auth: _Given = (), *, decode: bool = True) -> UpstreamCall:
        """Sends a request; a large body goes on being sent while the answer is awaited.

        `auth` are the headers that authenticate it, beside its own.
        With `decode` an answer that comes as gzip or deflate is inflated (its headers stay as they came);
        without it the bytes stay as they are. Raises UpstreamUnreachable or UpstreamTimeout (connect, tls).
        """
        site, standing = self._standing_head(request, auth)
        head = finish_head(standing, request)
        timeouts = request.timeouts or self._timeouts
        redial = self._send_again, (site, request, head)
        call = UpstreamCall(site.name, timeouts, site.loop, redial, request.begins)
        call.decode = decode
        if request.method == "HEAD":
            call.bodiless = True
        connection = site.pool.take() or await self._connect(site, timeouts)
        connection.start(call, head, request.body, self._outbox)
        return call

    async def close(self) -> None:
        """Closes all connections; calls under way end with an error."""
        self._closed = True
        for connection in list(self._open):
            connection.shut()
        if self._open:
            self._all_gone = asyncio.get_running_loop().create_future()
            await self._all_gone

    async def _send_again(self, call: UpstreamCall, site: _Site, request: OutgoingRequest, head: bytes) -> None:
        connection = await self._connect(site, request.timeouts or self._timeouts)
        if call.closed:
            connection.abort()
        else:
            connection.start(call, head, request.body)

    async def _connect(self, site: _Site, timeouts: CallTimeouts) -> Connection:
        """A new connection to a site. Raises UpstreamUnreachable or UpstreamTimeout."""
        if self._closed:
            raise UpstreamUnreachable(_SHUTTING_DOWN)
        connection = Connection(site.loop, site.keep, site.gone)
        await open_connection(site.origin, site.proxy, connection, self._trust, timeouts)
        if self._closed:
            connection.abort()
            raise UpstreamUnreachable(_SHUTTING_DOWN)
        if not connection.gone:
            self._open.add(connection)
        return connection

    def _forget(self, site: _Site, connection: Connection) -> None:
        site.pool.drop(connection)
        self._open.discard(connection)
        if not self._open and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    def _standing_head(self, request: OutgoingRequest, auth: _Given) -> tuple[_Site, bytes]:
        headers, method, url = request.headers, request.method, request.url
        if isinstance(headers, list):
            site, line = self._lines.get(url) or self._add_line(url)
            return site, standing_head(method, line, [*headers, *auth])
        last = self._last.get(url)
        if last is not None and last[0] is headers and last[1] is auth and last[2] == method:
            return last[3]
        key: _HeadKey = (method, url, *headers, *auth)
        found = self._heads.get(key) or self._add_head(key, method, url, [*headers, *auth])
        if len(self._last) >= _MAX_READY:
            self._last.clear()
        # They are held, so that nothing else can be the same object.
        self._last[url] = headers, auth, method, found
        return found

    def _add_line(self, url: str) -> tuple[_Site, bytes]:
        prefix, target = split_url(url)
        site = self._sites.get(prefix) or self._add_site(prefix)
        if len(self._lines) >= _MAX_READY:
            self._lines.clear()
        self._lines[url] = site, site.request_line(target)
        return self._lines[url]

    def _add_head(
        self, key: _HeadKey, method: str, url: str, headers: list[tuple[bytes, bytes]]
    ) -> tuple[_Site, bytes]:
        site, line = self._lines.get(url) or self._add_line(url)
        if len(self._heads) >= _MAX_READY:
            self._heads.clear()
        self._heads[key] = site, standing_head(method, line, headers)
        return self._heads[key]

    def _add_site(self, prefix: str) -> _Site:
        origin = parse_origin(prefix)
        site = _Site(origin, self._proxies.find(origin), asyncio.get_running_loop(), self._forget)
        self._sites[prefix] = site
        return site
