"""An upstream that misbehaves as the model's name says: `flaky_2`, `stall_after_5`, `quota_in_200`, ...

It answers every protocol of PROTOCOLS by the path of the request. A number at the end of the name is
the behaviour's own: requests, events or milliseconds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from llm_to_anthropic.scripted import anthropic, openai_chat, openai_responses
from llm_to_anthropic.scripted.line import Line, ToolCall
from llm_to_anthropic.scripted.script import Answer, Cut, Delay, HeaderList, Request, Reset, Stall, Step, never, whole
from verification import gemini_script

LINE = Line(
    text="What is said here has some words, so that a stream of it has events enough to break between them.",
    calls=(ToolCall("get_weather", '{"city":"Lisbon"}'),),
)
"""What is answered in the end, where anything is."""
SLICE_BYTES = 64
"""A whole answer is cut into slices of so many bytes, where a stream is cut into events."""
PINGS = 1000

_SSE: HeaderList = (("content-type", "text/event-stream"),)
_JSON: HeaderList = (("content-type", "application/json"),)


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """How one protocol writes what a behaviour needs."""

    path: re.Pattern[str]
    whole: Callable[[Line, str], object]
    events: Callable[[Line, str], list[bytes]]
    failure: object
    """The body of an HTTP error 500."""
    failure_event: bytes
    """The same within a stream."""
    quota_event: bytes
    """A stream's first event, where the account has nothing left."""
    broken_event: bytes
    """An event whose JSON stops midway."""
    ping: bytes = b": ping\n\n"


_NO_QUOTA = "You exceeded your current quota"
_FAILED = "the model failed midway"
_OPENAI_FAILURE = openai_chat.error(_FAILED, type="server_error")
_ANTHROPIC_FAILURE = anthropic.error(_FAILED, type="api_error")
_GEMINI_FAILURE = gemini_script.error(_FAILED, code=500, status="INTERNAL")

PROTOCOLS: Mapping[str, Protocol] = {
    "openai_chat": Protocol(
        path=re.compile(r"/chat/completions$"),
        whole=openai_chat.completion,
        events=openai_chat.chunks,
        failure=_OPENAI_FAILURE,
        failure_event=openai_chat.event(_OPENAI_FAILURE),
        quota_event=openai_chat.event(
            openai_chat.error(_NO_QUOTA, type="insufficient_quota", code="insufficient_quota")
        ),
        broken_event=b'data: {"choices":[{"index":0,"delta":{"content":"bro\n\n',
    ),
    "openai_responses": Protocol(
        path=re.compile(r"/responses$"),
        whole=openai_responses.response,
        events=openai_responses.events,
        failure=_OPENAI_FAILURE,
        failure_event=openai_responses.failure(_FAILED, "m")[1],
        quota_event=b"".join(openai_responses.failure(_NO_QUOTA, "m", code="insufficient_quota")),
        broken_event=b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"bro\n\n',
    ),
    "anthropic": Protocol(
        path=re.compile(r"/messages$"),
        whole=anthropic.message,
        events=anthropic.events,
        failure=_ANTHROPIC_FAILURE,
        failure_event=anthropic.event(_ANTHROPIC_FAILURE),
        quota_event=anthropic.event(anthropic.error(_NO_QUOTA, type="rate_limit_error")),
        broken_event=b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"bro\n\n',
        ping=anthropic.event({"type": "ping"}),
    ),
    "gemini": Protocol(
        path=re.compile(r":(?:streamG|g)enerateContent$"),
        whole=gemini_script.answer,
        events=gemini_script.chunks,
        failure=_GEMINI_FAILURE,
        failure_event=gemini_script.event(_GEMINI_FAILURE),
        quota_event=gemini_script.event(gemini_script.error(_NO_QUOTA, code=429, status="RESOURCE_EXHAUSTED")),
        broken_event=b'data: {"candidates":[{"content":{"parts":[{"text":"bro\r\n\r\n',
    ),
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request, and what a behaviour makes its answer of."""

    protocol: Protocol
    model: str
    streamed: bool
    number: int | None
    """The one at the end of the model's name."""
    earlier: int
    """Requests for this model before."""
    line: Line = LINE

    def slices(self) -> list[bytes]:
        """The good answer: events, or slices of a whole one."""
        if self.streamed:
            return self.protocol.events(self.line, self.model)
        body = msgspec.json.encode(self.protocol.whole(self.line, self.model))
        return [body[start : start + SLICE_BYTES] for start in range(0, len(body), SLICE_BYTES)]

    def answer(self, *steps: Step) -> Answer:
        """These steps in the good answer's framing: a whole one promises its whole length, whatever comes of it."""
        if self.streamed:
            return Answer(headers=_SSE, body=steps, framing="chunked")
        length = str(sum(map(len, self.slices())))
        return Answer(headers=(*_JSON, ("content-length", length)), body=steps)

    def split(self) -> tuple[list[bytes], list[bytes]]:
        """The good answer before and after the slice that the name tells."""
        slices = self.slices()
        at = len(slices) // 2 if self.number is None else self.number
        return slices[:at], slices[at:]


Behaviour = Callable[[Asked], Answer]


class Behaviours:
    """Answers each request as its model's name says; a name that says nothing gets the good answer."""

    def __init__(self, line: Line = LINE) -> None:
        self._line = line
        self._asked: Counter[str] = Counter()

    def __call__(self, request: Request) -> Answer:
        protocol = next((one for one in PROTOCOLS.values() if one.path.search(request.path)), None)
        if protocol is None or request.method != "POST":
            return whole(openai_chat.error(f"no such URL: {request.method} {request.path}"), status=404)
        body = request.json()
        found = re.search(r"/models/([^/:]+):", request.path)
        model = found[1] if found else str(body["model"])
        name, number = _behaviour(model)
        asked = Asked(
            protocol=protocol,
            model=model,
            streamed=bool(body.get("stream")) or ":stream" in request.path,
            number=number,
            earlier=self._asked[model],
            line=self._line,
        )
        self._asked[model] += 1
        return BEHAVIOURS.get(name, _good)(asked)


def _behaviour(model: str) -> tuple[str, int | None]:
    """The name in BEHAVIOURS, and the number behind it."""
    head, _, number = model.rpartition("_")
    if model in BEHAVIOURS or not number.isdecimal():
        return model, None
    return head, int(number)


def _good(asked: Asked) -> Answer:
    return asked.answer(*asked.slices())


def _by_close(asked: Asked) -> Answer:
    return Answer(headers=_SSE if asked.streamed else _JSON, body=tuple(asked.slices()), framing="close")


def _status(asked: Asked) -> Answer:
    return whole(asked.protocol.failure, status=asked.number or 500)


def _flaky(asked: Asked) -> Answer:
    if asked.earlier < (asked.number or 1):
        return whole(asked.protocol.failure, status=503)
    return _good(asked)


def _slow_ttft(asked: Asked) -> Answer:
    return asked.answer(Delay((asked.number or 300) / 1000), *asked.slices())


def _slow_chunk(asked: Asked) -> Answer:
    pause = Delay((asked.number or 20) / 1000)
    return asked.answer(*(step for piece in asked.slices() for step in (piece, pause)))


def _ends_after(step: Cut | Reset | Stall) -> Behaviour:
    return lambda asked: asked.answer(*asked.split()[0], step)


def _end_after(asked: Asked) -> Answer:
    """Ends in the best of order, as if nothing were missing."""
    before = asked.split()[0]
    kind = _SSE if asked.streamed else _JSON
    return Answer(headers=kind, body=tuple(before), framing="chunked")


def _err_after(asked: Asked) -> Answer:
    if not asked.streamed:
        return whole(asked.protocol.failure, status=500)
    return asked.answer(*asked.split()[0], asked.protocol.failure_event)


def _bad_json_after(asked: Asked) -> Answer:
    before, after = asked.split()
    if asked.streamed:
        return asked.answer(*before, asked.protocol.broken_event, *after)
    broken = b"\x00" * len(b"".join(after))
    return asked.answer(*before, broken)


def _bad_chunk_after(asked: Asked) -> Answer:
    kind = "text/event-stream" if asked.streamed else "application/json"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in asked.split()[0]]
    return Answer(body=(head, *chunks, b"no length\r\n", Stall()), framing="raw")


def _quota_in_200(asked: Asked) -> Answer:
    if not asked.streamed:
        return whole(asked.protocol.failure)
    return asked.answer(asked.protocol.quota_event)


def _pingonly(asked: Asked) -> Answer:
    pause = Delay((asked.number or 50) / 1000)
    ping = asked.protocol.ping if asked.streamed else b" "
    return asked.answer(*(step for _ in range(PINGS) for step in (ping, pause)), Stall())


def _garbage(asked: Asked) -> Answer:
    length = len(b"".join(asked.slices()))
    return asked.answer(b"\xff\x00<html>".ljust(length, b"\n"))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "by_close": _by_close,
    "status": _status,
    "flaky": _flaky,
    "slow_ttft": _slow_ttft,
    "slow_chunk": _slow_chunk,
    "never": lambda _: never(),
    "end_after": _end_after,
    "cut_after": _ends_after(Cut()),
    "rst_after": _ends_after(Reset()),
    "stall_after": _ends_after(Stall()),
    "err_after": _err_after,
    "bad_json_after": _bad_json_after,
    "bad_chunk_after": _bad_chunk_after,
    "quota_in_200": _quota_in_200,
    "pingonly": _pingonly,
    "garbage": _garbage,
}
"""By the model's name without its number."""
