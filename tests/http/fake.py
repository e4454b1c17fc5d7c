"""A gateway that answers by itself, and a client that sends exactly the bytes of a test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.gateway.call import Call, Reply
from llm_to_anthropic.http.server import running
from llm_to_anthropic.observers.metrics import Gauge
from llm_to_anthropic.routing import ModelEntry
from llm_to_anthropic.settings import Settings

UNLISTED = ModelEntry(id="claude-unlisted", display_name="UNLISTED")
"""A model that is served without standing in the list."""

POST = b"POST /v1/messages HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

Answer = Callable[[Call, Reply], Awaitable[None]]

MODELS = tuple(
    ModelEntry(id=name, display_name=name.upper(), max_input_tokens=200_000)
    for name in ("claude-one", "claude-two", "openai/gpt-one", "openai/gpt-two", "anthropic/claude-three")
)


async def answer_ok(call: Call, reply: Reply) -> None:
    await reply.whole(200, [], b'{"type":"message"}')


async def left(reply: Reply) -> str:
    """Returns once the client has left, with what that is called."""
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reply.when_left(outcome.set_result)
    return await outcome


class FakeGateway:
    """Keeps the calls and records that come, and answers with `answer`."""

    def __init__(self, answer: Answer = answer_ok) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.exchanges: list[Exchange] = []
        self.able = True
        self.closed = asyncio.Event()

    async def messages(self, call: Call, reply: Reply) -> None:
        self.calls.append(call)
        await self.answer(call, reply)

    async def count_tokens(self, call: Call, reply: Reply) -> None:
        self.calls.append(call)
        await reply.whole(200, [], b'{"input_tokens":7}')

    async def forward(self, call: Call, reply: Reply) -> None:
        self.calls.append(call)
        await reply.whole(404, [], b'{"type":"error","from":"gateway"}')

    def models(self) -> tuple[ModelEntry, ...]:
        return MODELS

    def model(self, model_id: str) -> ModelEntry:
        if model_id == UNLISTED.id:
            return UNLISTED
        known = {entry.id: entry for entry in MODELS}
        if model_id not in known:
            raise ClientError(f"model: {model_id}", status=404)
        return known[model_id]

    def ready(self) -> tuple[bool, dict[str, object]]:
        return self.able, {"providers": ["openai"]}

    def gauges(self) -> list[Gauge]:
        return [("upstream_connections", 0, ())]

    def record(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    async def close(self) -> None:
        self.closed.set()


def settings(**changes: Any) -> Settings:
    """Settings for loopback with a free port."""
    known: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "providers": {}, "aliases": {}}
    return Settings(**(known | changes))


class Response(msgspec.Struct, frozen=True):
    """An answer as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        """Status and error type, once the envelope is as Anthropic's."""
        envelope = self.json()
        assert envelope["type"] == "error"
        assert envelope["error"]["message"]
        assert envelope["request_id"] == self.header("request-id")
        return self.status, envelope["error"]["type"]


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def response(self, *, head_only: bool = False) -> Response:
        """The next whole answer."""
        async with asyncio.timeout(10):
            status, headers = await self.head()
            body = b"" if head_only else await self._body(headers)
        return Response(status, headers, body)

    async def head(self) -> tuple[int, list[tuple[str, str]]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return int(first.split()[1]), headers

    async def _body(self, headers: list[tuple[str, str]]) -> bytes:
        fields = dict(headers)
        if fields.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(fields.get("content-length", "0")))
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def closed(self, within_s: float = 5.0) -> bool:
        """Whether the server closes the connection, with nothing more sent."""
        try:
            async with asyncio.timeout(within_s):
                return await self.reader.read() == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


class Front:
    """A running server with a fake gateway."""

    def __init__(self, url: str, gateway: FakeGateway) -> None:
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.gateway = gateway

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[RawClient]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield RawClient(reader, writer)
        finally:
            writer.close()

    async def raw(self, data: bytes) -> Response:
        """Sends bytes on a connection of its own; the first answer."""
        async with self.connect() as client:
            await client.send(data)
            return await client.response()

    async def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Response:
        """A well-formed request on a connection of its own."""
        async with self.connect() as client:
            await client.send(self.encode(method, path, headers, body))
            return await client.response(head_only=method == "HEAD")

    def encode(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> bytes:
        fields = {"host": f"127.0.0.1:{self.port}"} | (headers or {})
        if body is not None:
            fields = {"content-type": "application/json", "content-length": str(len(body))} | fields
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + (body or b"")

    async def post(self, headers: dict[str, str] | None = None, body: bytes = b"{}") -> Response:
        return await self.request("POST", "/v1/messages", headers, body)


@asynccontextmanager
async def front(gateway: FakeGateway | None = None, **changes: Any) -> AsyncIterator[Front]:
    """A server on a free port of loopback."""
    gateway = gateway or FakeGateway()
    async with running(settings(**changes), gateway) as url:
        yield Front(url, gateway)
