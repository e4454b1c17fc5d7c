"""A client that can leave at any moment, and that sees bytes as they are."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def posted(
    base_url: str, body: dict[str, object], path: str = "/v1/messages"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection over which a request was sent."""
    host, _, port = base_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n"
    writer.write(f"{head}connection: close\r\n\r\n".encode() + data)
    try:
        yield reader, writer
    finally:
        writer.close()


def request(*, stream: bool, model: str = "openai/gpt-4.1") -> dict[str, object]:
    """A small request."""
    messages = [{"role": "user", "content": "Hello"}]
    return {"model": model, "max_tokens": 64, "stream": stream, "messages": messages}


def event_names(answer: bytes) -> list[str]:
    """The names of the events of a raw streamed answer, in order."""
    return [
        line.removeprefix(b"event: ").decode().strip() for line in answer.splitlines() if line.startswith(b"event: ")
    ]
