"""A client in memory: what a gateway answers, and a way to leave."""

from __future__ import annotations

import asyncio
import json
import time

import msgspec

from llm_to_anthropic.gateway.call import Call, Headers, WhenLeft
from llm_to_anthropic.gateway.gateway import Gateway


class MemoryReply:
    """Keeps the answer; `progressed` is set anew by each write."""

    def __init__(self, *, room: bool = True) -> None:
        """`room`: what is pushed is taken without a wait."""
        self.status = 0
        self._room = room
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.ended = False
        self.progressed = asyncio.Event()
        self._when_left: WhenLeft | None = None

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self.start(status, headers)
        await self.write(body)
        await self.end()

    def prepare(self, status: int, headers: Headers) -> None:
        assert self.status == 0, "an answer has one head"

    def start(self, status: int, headers: Headers) -> None:
        assert self.status == 0, "an answer has one head"
        self.status = status
        self.headers = dict(headers)

    async def write(self, data: bytes) -> None:
        assert self.status, "a write needs a head before it"
        assert not self.ended, "nothing follows the end"
        self.body += data
        self.progressed.set()

    def push(self, data: bytes) -> bool:
        assert self.status, "what is pushed needs a head before it"
        assert not self.ended, "nothing follows the end"
        self.body += data
        self.progressed.set()
        return self._room

    async def end(self, data: bytes = b"") -> None:
        assert not self.ended, "an answer has one end"
        self.body += data
        self.ended = True
        self.progressed.set()

    def when_left(self, call: WhenLeft | None) -> None:
        self._when_left = call

    def disconnect(self) -> None:
        if self._when_left is not None:
            self._when_left("client_disconnected")

    async def until(self, part: bytes, *, within_s: float = 5.0) -> None:
        """Waits until a part has been written. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while part not in self.body:
                self.progressed.clear()
                await self.progressed.wait()

    def json(self) -> dict[str, object]:
        return msgspec.json.decode(self.body, type=dict[str, object])

    def events(self) -> list[str]:
        """The names of the streamed events."""
        return [line[7:] for line in self.body.decode().splitlines() if line.startswith("event: ")]


def call(
    body: object = None,
    *,
    method: str = "POST",
    path: str = "/v1/messages",
    query: str = "",
    headers: dict[str, str] | None = None,
) -> Call:
    """A client's request; the body as JSON unless it is bytes."""
    sent = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Call(
        request_id="req_test000000000000000001",
        method=method,
        path=path,
        raw_path=path,
        query=query,
        headers=sent,
        found=dict(sent),
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        started=time.monotonic(),
    )


def ask(model: str = "openai/gpt-4o", *, stream: bool = False, **fields: object) -> dict[str, object]:
    """A small Messages request."""
    messages = [{"role": "user", "content": "hi"}]
    return {"model": model, "max_tokens": 50, "messages": messages, "stream": stream, **fields}


async def reply_to(gateway: Gateway, call: Call) -> MemoryReply:
    """The whole answer to a message request."""
    reply = MemoryReply()
    await gateway.messages(call, reply)
    return reply
