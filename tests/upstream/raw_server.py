"""A server on loopback that plays a script of bytes: what an upstream sends is up to the test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType

from llm_to_anthropic.upstream import OutgoingRequest

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class Peer:
    """One accepted connection, numbered from 0 in the order of arrival."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self.gone = asyncio.Event()
        """Set by `wait_gone`."""

    async def head(self) -> bytes:
        """The head of the next request."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def request(self) -> bytes:
        """The next request, head and body."""
        head = await self.head()
        return head + await self.reader.readexactly(content_length(head))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *answers: bytes) -> None:
        """Reads a request and sends an answer, for each of the answers."""
        for data in answers:
            await self.request()
            await self.send(data)

    async def wait_gone(self) -> None:
        """Returns once the client has closed the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except OSError:
            pass
        self.gone.set()

    def reset(self) -> None:
        """Ends the connection with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Plays `script` on every connection, and closes it where the script ends. `async with` runs it."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.peers: list[Peer] = []
        self.port = 0
        self._script = script
        self._tls = tls
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._accepted = asyncio.Event()

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def post(self, path: str = "/v1/x", body: bytes = b"{}", headers: dict[str, str] | None = None) -> OutgoingRequest:
        """A POST to this server."""
        return OutgoingRequest(method="POST", url=self.url + path, headers=_pairs(headers), body=body)

    def get(self, path: str = "/v1/x") -> OutgoingRequest:
        return OutgoingRequest(method="GET", url=self.url + path, headers=[], body=b"")

    async def first_peer(self) -> Peer:
        """Waits for the first connection: a client may have given it up before it was accepted here."""
        await self._accepted.wait()
        return self.peers[0]

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        failures = [item for item in outcomes if isinstance(item, Exception)]
        if failures and kind is None:
            raise failures[0]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # asyncio swallows what a callback of its own raises: the script runs in a task that is asked at the end.
        peer = Peer(len(self.peers), reader, writer)
        self.peers.append(peer)
        self._accepted.set()
        task = asyncio.ensure_future(self._play(peer))
        self._tasks.add(task)

    async def _play(self, peer: Peer) -> None:
        try:
            await self._script(peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            peer.writer.close()
            try:
                await peer.writer.wait_closed()
            except (OSError, asyncio.CancelledError):
                peer.writer.transport.abort()


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port of loopback on which connecting neither succeeds nor fails: nobody accepts, and the line is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", port))
        yield port


def content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks, with its end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _pairs(headers: dict[str, str] | None) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
