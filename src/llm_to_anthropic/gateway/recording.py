"""A Reply that also keeps what it sends, for the transcript of `-v`."""

from __future__ import annotations

from llm_to_anthropic.gateway.call import Headers, Reply, WhenLeft
from llm_to_anthropic.observers.transcript import MAX_LOGGED_BYTES, Transcript


class RecordingReply:
    """Passes everything on and hands the answer to the transcript at its end."""

    def __init__(self, reply: Reply, transcript: Transcript, request_id: str) -> None:
        self._reply = reply
        self._transcript = transcript
        self._request_id = request_id
        self._status = 0
        self._kept = bytearray()

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self._transcript.answer(self._request_id, status, body)
        await self._reply.whole(status, headers, body)

    def prepare(self, status: int, headers: Headers) -> None:
        self._reply.prepare(status, headers)

    def start(self, status: int, headers: Headers) -> None:
        self._status = status
        self._reply.start(status, headers)

    async def write(self, data: bytes) -> None:
        if len(self._kept) <= MAX_LOGGED_BYTES:
            self._kept += data
        await self._reply.write(data)

    def push(self, data: bytes) -> bool:
        if len(self._kept) <= MAX_LOGGED_BYTES:
            self._kept += data
        return self._reply.push(data)

    async def end(self, data: bytes = b"") -> None:
        self._transcript.answer(self._request_id, self._status, bytes(self._kept + data))
        await self._reply.end(data)

    def when_left(self, call: WhenLeft | None) -> None:
        self._reply.when_left(call)
