"""Opens connections: names, addresses, proxies, TLS, and a sentence for whatever goes wrong there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from errno import ECONNREFUSED
from itertools import chain, zip_longest
from typing import Any, Literal, TypeVar

from aiofastnet import create_connection, start_tls

from llm_to_anthropic.errors import UpstreamTimeout, UpstreamUnreachable
from llm_to_anthropic.providers.timeouts import CallTimeouts
from llm_to_anthropic.trust import Trust
from llm_to_anthropic.upstream.addresses import is_forbidden
from llm_to_anthropic.upstream.proxying import Proxy
from llm_to_anthropic.upstream.request import Origin, join_host_port
from llm_to_anthropic.upstream.tunnel import Tunnel

_NEXT_ADDRESS_S = 0.25
"""Lead of one address before the next is tried beside it (RFC 8305, section 5)."""

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
"""What `getaddrinfo` gives of one address: its family, and what to connect to."""
_P = TypeVar("_P", bound=asyncio.Protocol)


async def open_connection(
    origin: Origin, proxy: Proxy | None, protocol: asyncio.Protocol, trust: Trust, timeouts: CallTimeouts
) -> None:
    """Connects `protocol` to an origin, directly or through a proxy.

    Raises UpstreamUnreachable or UpstreamTimeout (connect, tls).
    """
    context = trust.context() if origin.scheme == "https" else None
    peer = proxy.name if proxy else origin.name
    try:
        async with _within("connect", timeouts, f"{peer} did not accept a connection"):
            sock = await _dial_first(origin, proxy)
            if context is None:
                await attach(protocol, sock)
                return
            tunnel = None if proxy is None else await _open_tunnel(origin, proxy, sock)
        async with _within("tls", timeouts, f"{origin.name} did not come to terms on TLS"):
            if tunnel is None:
                await attach(protocol, sock, context, origin.host)
            else:
                await _start_tls(protocol, tunnel, context, origin.host)
    except OSError as error:
        lasting = isinstance(error, ssl.SSLCertVerificationError)
        raise UpstreamUnreachable(handshake_text(origin, error), lasting=lasting) from error


@contextlib.asynccontextmanager
async def _within(phase: Literal["connect", "tls"], timeouts: CallTimeouts, missed: str) -> AsyncIterator[None]:
    """Raises UpstreamTimeout where what is done inside takes longer than its phase may; `missed` did not come of it."""
    phase_s = timeouts.connect_s if phase == "connect" else timeouts.tls_s
    limit_s = min(phase_s, timeouts.total_s)
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        raise UpstreamTimeout(phase, f"{missed} within {limit_s:g} s (timeouts.{phase}_s).") from error


async def _dial_first(origin: Origin, proxy: Proxy | None) -> socket.socket:
    if proxy is None:
        return await _dial(origin.host, origin.port, "Check the base URL")
    return await _dial(proxy.host, proxy.port, f"Check {proxy.variable}")


class _Silent(asyncio.Protocol):
    """Has a connection until TLS takes it over, which sees its end for itself.

    It does not pause reading: aiofastnet would then watch the socket's number even after it was given up.
    """

    def eof_received(self) -> bool:
        return True


async def attach(
    protocol: _P, sock: socket.socket, context: ssl.SSLContext | None = None, name: str | None = None
) -> _P:
    """Gives a connected socket to a protocol, through TLS where there is a context. Raises OSError."""
    loop = asyncio.get_running_loop()
    if context is None:
        await create_connection(loop, lambda: protocol, sock=sock)
        return protocol
    # In two steps: aiofastnet's TLS on a socket of its own forgets what has come, end included, where reading pauses.
    raw, _ = await create_connection(loop, _Silent, sock=sock)
    await _start_tls(protocol, raw, context, name)
    return protocol


async def _open_tunnel(origin: Origin, proxy: Proxy, sock: socket.socket) -> asyncio.Transport:
    tunnel = await attach(Tunnel(asyncio.get_running_loop(), origin.name, proxy), sock)
    return await tunnel.open()


async def _start_tls(
    protocol: asyncio.Protocol, raw: asyncio.Transport, context: ssl.SSLContext, name: str | None
) -> None:
    loop = asyncio.get_running_loop()
    if loop.get_exception_handler() is None:
        loop.set_exception_handler(_report)
    try:
        transport = await start_tls(loop, raw, protocol, context, server_hostname=name)
    except BaseException:
        raw.abort()
        raise
    if transport is None:
        raise ConnectionResetError("closed while TLS was starting")
    protocol.connection_made(transport)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # aiofastnet tells the loop too of an end amid the handshake, by the error's class: a traceback without an error.
    if context.get("exception") is not ConnectionResetError:
        loop.default_exception_handler(context)


async def _dial(host: str, port: int, remedy: str) -> socket.socket:
    peer = join_host_port(host, port)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise UpstreamUnreachable(f"The name {host} does not resolve. {remedy}, and this machine's DNS.") from error
    addresses: list[Address] = [(family, address) for family, _, _, _, address in found]
    allowed = [each for each in addresses if not is_forbidden(str(each[1][0]))]
    if not allowed:
        raise UpstreamUnreachable(
            f"{host} is a link-local address, where clouds keep a machine's credentials and no model is. {remedy}.",
            lasting=True,
        )
    try:
        return await first_to_connect(allowed)
    except OSError as error:
        raise UpstreamUnreachable(_dial_text(peer, error, remedy)) from error


async def first_to_connect(addresses: list[Address]) -> socket.socket:
    """The first of several addresses that accepts, each with a lead over the next ("happy eyeballs"). Or OSError."""
    if len(addresses) == 1:
        return await _connect(addresses[0])
    running: set[asyncio.Task[socket.socket]] = set()
    try:
        return await _race(_interleave(addresses), running)
    finally:
        await _abandon(running)


async def _race(waiting: list[Address], running: set[asyncio.Task[socket.socket]]) -> socket.socket:
    failure = OSError("no address")
    while waiting or running:
        if waiting:
            running.add(asyncio.ensure_future(_connect(waiting.pop(0))))
        timeout = _NEXT_ADDRESS_S if waiting else None
        done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        running -= done
        for task in done:
            try:
                return task.result()
            except OSError as error:
                failure = error
    raise failure


async def _abandon(tasks: set[asyncio.Task[socket.socket]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()


def _interleave(addresses: list[Address]) -> list[Address]:
    first = [item for item in addresses if item[0] == addresses[0][0]]
    other = [item for item in addresses if item[0] != addresses[0][0]]
    return [item for item in chain.from_iterable(zip_longest(first, other)) if item is not None]


async def _connect(address: Address) -> socket.socket:
    family, target = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock


def _dial_text(peer: str, error: OSError, remedy: str) -> str:
    if error.errno == ECONNREFUSED:
        return f"{peer} refuses connections: nothing listens there. {remedy}, and that the server runs."
    return f"{peer} cannot be reached ({error.strerror or error}). {remedy}, and this machine's network."


def handshake_text(origin: Origin, error: OSError) -> str:
    """Why a connection could not be set up, in a sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {origin.name} is not trusted: {error.verify_message}. "
            "If an authority of your own signed it, name that authority's certificate file in SSL_CERT_FILE."
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS with {origin.name} failed ({error.reason or error}). "
            "If it speaks plain HTTP, its base URL must start with http://."
        )
    told = error.strerror or str(error)
    why = f" ({told})" if told else ""
    return f"{origin.name} closed the connection while it was being set up{why}."
