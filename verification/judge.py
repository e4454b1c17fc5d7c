"""Judges one answer of the proxy, by its bytes and by the official SDK: a message, an error, or a silent end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from typing import Literal

import anthropic
import httptools
import msgspec
from anthropic.types import Message, TextBlock, ToolUseBlock

from llm_to_anthropic.scripted import Line

Outcome = Literal["message", "error", "bad"]
QUESTION = "Hello"


class Verdict(msgspec.Struct, frozen=True):
    """`problem` tells what is wrong with an answer that is neither a whole message nor an error in words."""

    outcome: Outcome
    problem: str = ""
    body: bytes = b""
    """Of an answer that was looked at byte by byte."""


class Received:
    """An HTTP answer as it comes; `complete` once its framing says that it is whole."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False
        self._parser = httptools.HttpResponseParser(self)

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def request_body(model: str, *, streamed: bool) -> dict[str, object]:
    """A small request."""
    messages = [{"role": "user", "content": QUESTION}]
    return {"model": model, "max_tokens": 64, "stream": streamed, "messages": messages}


async def on_the_wire(url: str, model: str, *, streamed: bool, within_s: float) -> Verdict:
    """What a client sees that looks at every byte."""
    try:
        async with asyncio.timeout(within_s):
            received = await _fetch(url, json.dumps(request_body(model, streamed=streamed)).encode())
    except TimeoutError:
        return Verdict("bad", f"no end within {within_s:g} s")
    except (OSError, httptools.HttpParserError) as error:
        return Verdict("bad", f"the connection broke: {error!r}")
    if not received.complete:
        return Verdict("bad", "the connection ended before the answer did")
    if b"Traceback" in received.body:
        return Verdict("bad", "a traceback reached the client")
    verdict = _judge_stream(received.body) if streamed and received.status == 200 else _judge_whole(received)
    return msgspec.structs.replace(verdict, body=received.body)


async def by_the_sdk(
    client: anthropic.AsyncAnthropic, model: str, *, streamed: bool, lines: Collection[Line], within_s: float
) -> Verdict:
    """What the official SDK makes of it: an intended message, or an exception that tells of an error.

    The message must be one of `lines`; without any of them each will do, as long as it has an end.
    """
    try:
        async with asyncio.timeout(within_s):
            message = await _ask(client, model, streamed=streamed)
    except anthropic.APIStatusError:
        return Verdict("error")
    except TimeoutError:
        return Verdict("bad", f"no end within {within_s:g} s")
    except (anthropic.AnthropicError, ValueError) as error:
        # A damaged event that passes through is not JSON to the SDK: it raises, which is no silent end.
        return Verdict(
            "bad" if isinstance(error, anthropic.APIConnectionError) else "error", f"the SDK raised {error!r}"
        )
    if message.stop_reason is None:
        return Verdict("bad", "a silent end: stop_reason=None and no exception")
    intended = [(line.text, [(call.name, json.loads(call.arguments)) for call in line.calls]) for line in lines]
    if lines and said(message) not in intended:
        return Verdict("bad", f"another message than intended: {said(message)!r}")
    return Verdict("message")


def said(message: Message) -> tuple[str, list[tuple[str, object]]]:
    """Text and calls of a message."""
    text = "".join(block.text for block in message.content if isinstance(block, TextBlock))
    return text, [(block.name, block.input) for block in message.content if isinstance(block, ToolUseBlock)]


async def _ask(client: anthropic.AsyncAnthropic, model: str, *, streamed: bool) -> Message:
    if not streamed:
        return await client.messages.create(
            model=model, max_tokens=64, messages=[{"role": "user", "content": QUESTION}]
        )
    async with client.messages.stream(
        model=model, max_tokens=64, messages=[{"role": "user", "content": QUESTION}]
    ) as events:
        return await events.get_final_message()


async def _fetch(url: str, body: bytes) -> Received:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/messages HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    received = Received()
    try:
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        while data := await reader.read(65_536):
            received.feed(data)
    finally:
        writer.close()
    return received


def _judge_stream(body: bytes) -> Verdict:
    names = [line[7:].strip().decode("latin-1") for line in body.splitlines() if line.startswith(b"event: ")]
    last = names[-1] if names else "nothing"
    if last not in ("message_stop", "error"):
        return Verdict("bad", f"a silent end: the stream ends in {last}")
    if names.count("message_stop") + names.count("error") != 1 or names.count("message_start") > 1:
        return Verdict("bad", f"the stream begins or ends twice: {names}")
    return Verdict("message" if last == "message_stop" else "error")


def _judge_whole(received: Received) -> Verdict:
    try:
        value = msgspec.json.decode(received.body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Verdict("bad", f"{received.status} with a body that is no JSON: {error}")
    match value:
        case {"type": "message", "stop_reason": str()} if received.status == 200:
            return Verdict("message")
        case {"type": "error", "error": {"type": str(), "message": str()}} if received.status >= 400:
            return Verdict("error")
    return Verdict("bad", f"{received.status} with neither a message nor an error: {received.body[:200]!r}")
