"""Opens the sockets that the server listens on."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress

from llm_to_anthropic.errors import ProxyError
from llm_to_anthropic.http.protocol import BACKLOG

Address = tuple[socket.AddressFamily, str]

_NO_IPV6 = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class CannotListen(ProxyError):
    """The address cannot be listened on; the message is a sentence for the operator."""


def listen(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Listening sockets, one per address that `host` stands for. Port 0 takes any free one, the same for all.

    `shared`: another call may listen on the same port, and the system spreads connections over both.
    Raises CannotListen.
    """
    try:
        return listen_on(_addresses(host), port, shared=shared)
    except OSError as error:
        raise CannotListen(_sentence(host, port, error)) from error


def listen_on(addresses: Iterable[Address], port: int, *, shared: bool = False) -> list[socket.socket]:
    """The same for addresses. Of several those of IPv6 may be missing: names have them also where it is switched off.

    Raises OSError.
    """
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in addresses:
        try:
            sockets.append(_listen(family, address, port, shared=shared))
        except OSError as error:
            if family == socket.AF_INET6 and error.errno in _NO_IPV6:
                missing = error
                continue
            close_all(sockets)
            raise
        port = port_of(sockets)
    if missing is not None and not sockets:
        raise missing
    return sockets


def listen_per_worker(host: str, port: int, workers: int) -> list[list[socket.socket]]:
    """The sockets of each worker process. Raises CannotListen."""
    first = listen(host, port)
    if workers == 1:
        return [first]
    if sys.platform != "linux":
        return [first] * workers  # only Linux spreads connections over several sockets of one port
    # The first socket, opened alone, has shown that nobody else holds the port: with sharing nothing would tell.
    port = port_of(first)
    close_all(first)
    return [listen(host, port, shared=True) for _ in range(workers)]


def port_of(sockets: list[socket.socket]) -> int:
    port: int = sockets[0].getsockname()[1]
    return port


def close_all(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def _addresses(host: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as error:  # with two dots in a row, say
        raise socket.gaierror(socket.EAI_NONAME, "it is no name of a host") from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _listen(family: socket.AddressFamily, address: str, port: int, *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # [::] means IPv4 too, as users of other servers expect; any other address means itself.
            with suppress(OSError):
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        one.bind((address, port))
        one.listen(BACKLOG)
        one.setblocking(False)
    except BaseException:
        one.close()
        raise
    return one


def _sentence(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{host}:{port} is taken by another program: stop it, or choose another port (SERVER_PORT, --port)"
        case errno.EACCES:
            return f"{host}:{port} may not be used without privileges: choose a port above 1023 (SERVER_PORT, --port)"
        case errno.EADDRNOTAVAIL:
            return f"{host}:{port} is not an address of this machine: correct SERVER_HOST or --host"
        case _:
            return f"cannot listen on {host}:{port} ({error.strerror or error}): check SERVER_HOST and SERVER_PORT"
