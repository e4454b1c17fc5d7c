"""The server as a process of its own, with a fake gateway: `python -m tests.http.serving SETTINGS`.

SETTINGS is JSON: `workers`, `port`, the timeouts, and `broken` for a gateway that cannot be built. The process prints
its base URL once it serves. Its messages are streams of two events; the second waits for a line on standard input or
for the drain's end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from llm_to_anthropic.gateway.call import Call, Reply
from llm_to_anthropic.http.server import serve
from llm_to_anthropic.settings import Settings, Timeouts
from tests.http.fake import FakeGateway, settings

EVENT_STREAM = [(b"content-type", b"text/event-stream")]


class Streams(FakeGateway):
    """Answers every message with a stream, and counts with the id of this process."""

    async def messages(self, call: Call, reply: Reply) -> None:
        reply.start(200, EVENT_STREAM)
        await reply.write(b"event: first\n\n")
        await reply.write(b"event: %s\n\n" % await self._second(call))
        await reply.end()

    async def count_tokens(self, call: Call, reply: Reply) -> None:
        await reply.whole(200, [], b'{"pid":%d}' % os.getpid())

    async def _second(self, call: Call) -> bytes:
        if call.query == "stubborn":
            await asyncio.Event().wait()
        line = asyncio.ensure_future(_line())
        closed = asyncio.ensure_future(self.closed.wait())
        done, _ = await asyncio.wait((line, closed), return_when=asyncio.FIRST_COMPLETED)
        return b"error" if closed in done else line.result()


async def _line() -> bytes:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return (await reader.readline()).strip()


def _build(_settings: Settings) -> Streams:
    return Streams()


def _fail(_settings: Settings) -> Streams:
    raise RuntimeError("nothing can be served")


def _announce(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def main() -> int:
    """Serves with the settings of the command line."""
    given = json.loads(sys.argv[1])
    own = {name: given.pop(name) for name in ("workers", "port") if name in given}
    build = _fail if given.pop("broken", False) else _build
    return serve(settings(timeouts=Timeouts(**given), **own), ready=_announce, build=build)


if __name__ == "__main__":
    sys.exit(main())
