"""The client: sends a request on a pooled or a new connection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from llm_to_anthropic.errors import UpstreamTimeout, UpstreamUnreachable
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream.call import UpstreamCall
from llm_to_anthropic.upstream.connecting import open_connection
from llm_to_anthropic.upstream.connection import Connection
from llm_to_anthropic.upstream.pool import Pool
from llm_to_anthropic.upstream.proxying import Proxy, ProxyRules
from llm_to_anthropic.upstream.request import Origin, OutgoingRequest, encode_head, parse_origin, split_url
from llm_to_anthropic.upstream.tls import Trust

_MAX_SITES = 4096
_SHUTTING_DOWN = "This proxy is shutting down."


class _Site:
    """An origin with the way to it and its idle connections."""

    __slots__ = ("extra", "host_header", "origin", "pool", "proxy", "target_prefix")

    def __init__(self, origin: Origin, proxy: Proxy | None, pool: Pool) -> None:
        plain_proxy = proxy if origin.scheme == "http" else None
        self.origin = origin
        self.proxy = proxy
        self.pool = pool
        self.host_header = origin.host_header
        # A proxy for plain HTTP reads the whole URL out of the request line (RFC 9112, section 3.2.2).
        self.target_prefix = f"http://{self.host_header}" if plain_proxy else ""
        self.extra = plain_proxy.header_lines() if plain_proxy else []


class _Attempt:
    """The bytes of one request, and where to send them once more if a pooled connection turns out dead."""

    __slots__ = ("_bodiless", "_body", "_head", "_owner", "_site")

    def __init__(self, owner: Upstream, site: _Site, request: OutgoingRequest, target: str) -> None:
        self._owner = owner
        self._site = site
        self._head = encode_head(request, site.target_prefix + target, site.host_header, site.extra)
        self._body = request.body
        self._bodiless = request.method == "HEAD"

    def start(self, connection: Connection, call: UpstreamCall) -> None:
        connection.start(call, self._head, self._body, bodiless=self._bodiless)

    async def again(self, call: UpstreamCall) -> None:
        """Sends on a connection that has not served before."""
        self.start(await self._owner.connect(self._site), call)


class Upstream:
    """Sends requests upstream; one instance per event loop, which keeps its connections.

    `environ` is where proxies (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, also in lower case) and trusted
    authorities (SSL_CERT_FILE, SSL_CERT_DIR) are read from; without it there are none.
    """

    def __init__(self, timeouts: Timeouts, *, environ: Mapping[str, str] | None = None) -> None:
        self._timeouts = timeouts
        self._trust = Trust(environ or {})
        self._proxies = ProxyRules(environ or {})
        self._sites: dict[str, _Site] = {}
        self._open: set[Connection] = set()
        self._closed = False
        self._all_gone: asyncio.Future[None] | None = None

    async def send(self, request: OutgoingRequest, *, decode: bool = True) -> UpstreamCall:
        """Sends a request; a large body goes on being sent while the answer is awaited.

        With `decode` an answer that comes as gzip or deflate is inflated (its headers stay as they came);
        without it the bytes stay as they are. Raises UpstreamUnreachable or UpstreamTimeout (connect).
        """
        prefix, target = split_url(request.url)
        site = self._sites.get(prefix) or self._add_site(prefix)
        attempt = _Attempt(self, site, request, target)
        loop = asyncio.get_running_loop()
        call = UpstreamCall(site.origin.name, self._timeouts, loop, attempt.again, decode=decode)
        attempt.start(site.pool.take() or await self.connect(site), call)
        return call

    async def close(self) -> None:
        """Closes all connections; calls under way end with an error."""
        self._closed = True
        for connection in list(self._open):
            connection.shut()
        if self._open:
            self._all_gone = asyncio.get_running_loop().create_future()
            await self._all_gone

    async def connect(self, site: _Site) -> Connection:
        """A new connection to a site. Raises UpstreamUnreachable or UpstreamTimeout."""
        if self._closed:
            raise UpstreamUnreachable(_SHUTTING_DOWN)
        connection = Connection(asyncio.get_running_loop(), site.pool.keep, lambda gone: self._forget(site, gone))
        limit = min(self._timeouts.connect_s, self._timeouts.total_s)
        try:
            async with asyncio.timeout(limit):
                await open_connection(site.origin, site.proxy, connection, self._trust)
        except TimeoutError as error:
            peer = site.proxy.name if site.proxy else site.origin.name
            raise UpstreamTimeout("connect", f"{peer} did not accept a connection within {limit:g} s.") from error
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

    def _add_site(self, prefix: str) -> _Site:
        origin = parse_origin(prefix)
        site = _Site(origin, self._proxies.find(origin), Pool(asyncio.get_running_loop()))
        if len(self._sites) < _MAX_SITES:
            # Base URLs come from the configuration: this only stops a mistake from eating memory.
            self._sites[prefix] = site
        return site
