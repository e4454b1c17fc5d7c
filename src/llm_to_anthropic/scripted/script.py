"""Answers as data: what is sent, and how it misbehaves on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

HeaderList = tuple[tuple[str, str], ...]


class Pause(msgspec.Struct, frozen=True):
    """Goes on once the event is set."""

    event: asyncio.Event


class Delay(msgspec.Struct, frozen=True):
    """Goes on after some seconds: for pleasant output, never to synchronise a test."""

    seconds: float


class Trickle(msgspec.Struct, frozen=True):
    """Sends its bytes one by one, each in a write (and a chunk) of its own."""

    data: bytes


class Cut(msgspec.Struct, frozen=True):
    """Ends the connection in an orderly way (FIN), wherever the answer stands."""


class Reset(msgspec.Struct, frozen=True):
    """Breaks the connection (RST)."""


class Stall(msgspec.Struct, frozen=True):
    """Sends nothing any more and keeps the connection open."""


Step = bytes | Pause | Delay | Trickle | Cut | Reset | Stall
Framing = Literal["length", "chunked", "close", "raw"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: its head, then steps.

    `framing` says how the body's end is told: by content-length (the steps' bytes, unless a
    content-length header is given), in chunks, by closing; `raw` sends the steps and no head at all.
    """

    status: int = 200
    headers: HeaderList = ()
    body: tuple[Step, ...] = ()
    before_head: tuple[Step, ...] = ()
    framing: Framing = "length"


def whole(value: object, *, status: int = 200, headers: HeaderList = (), before_head: tuple[Step, ...] = ()) -> Answer:
    """A whole answer: bytes as they are, anything else as JSON."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    named = {name.lower() for name, _ in headers}
    kind: HeaderList = () if "content-type" in named else (("content-type", "application/json"),)
    return Answer(status=status, headers=kind + headers, body=(body,), before_head=before_head)


def stream(*steps: Step, headers: HeaderList = (), before_head: tuple[Step, ...] = ()) -> Answer:
    """A stream of server-sent events; each step of bytes is one chunk."""
    kind: HeaderList = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
    return Answer(headers=kind + headers, body=steps, before_head=before_head, framing="chunked")


def never() -> Answer:
    """No answer at all: the connection stays open and silent."""
    return Answer(before_head=(Stall(),))


class Request:
    """One request as it arrived, and what became of it.

    `answered` is set when the answer was sent to its end, `closed` when the client's connection is gone.
    """

    def __init__(self, method: str, target: str, headers: HeaderList, body: bytes) -> None:
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.header_list = headers
        """In order; names in lower case."""
        self.headers = dict(headers)
        self.body = body
        self.number = 0
        """The position among all requests of this upstream, from 0."""
        self.bytes_sent = 0
        """Bytes of the answer that were handed to the socket."""
        self.answered = asyncio.Event()
        self.closed = asyncio.Event()

    def json(self) -> dict[str, object]:
        """The body as a JSON object. Raises msgspec.DecodeError for anything else."""
        return msgspec.json.decode(self.body, type=dict[str, object])


Responder = Callable[[Request], Answer]


class Script:
    """Answers in order, one per request; then `otherwise`, or an error that says the script is at its end."""

    def __init__(self, answers: Iterable[Answer] = (), *, otherwise: Responder | None = None) -> None:
        self._answers = list(answers)
        self._otherwise = otherwise

    def push(self, *answers: Answer) -> None:
        self._answers.extend(answers)

    def __call__(self, request: Request) -> Answer:
        if self._answers:
            return self._answers.pop(0)
        if self._otherwise is not None:
            return self._otherwise(request)
        text = f"the script has no answer for {request.method} {request.path} (request {request.number})"
        return whole({"error": {"message": text, "type": "server_error", "param": None, "code": None}}, status=500)
