"""A server whose gateway crashes with a key in its hands: `python -m tests.security.crashing KEY`.

Logs go to standard error as they would in production, answers to standard output.
"""

from __future__ import annotations

import asyncio
import sys

from llm_to_anthropic.gateway.call import Call, Reply
from llm_to_anthropic.observers.access_log import configure_logging
from tests.http.fake import FakeGateway, front
from tests.security.four_protocols import providers, settings

NOWHERE = "http://127.0.0.1:9"


class Crashing(FakeGateway):
    """Crashes before its answer, or amid a stream where the query says so."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    async def messages(self, call: Call, reply: Reply) -> None:
        if call.query == "amid":
            reply.start(200, [(b"content-type", b"text/event-stream")])
            await reply.write(b"event: first\n\n")
        headers = {"authorization": f"Bearer {self._key}"}
        raise RuntimeError(f"these headers cannot be sent: {headers}") from KeyError(self._key)


async def _main(key: str) -> None:
    configure_logging(settings(NOWHERE, providers=providers(NOWHERE, key)))
    async with front(Crashing(key)) as server:
        for query in ("", "?amid"):
            answer = await server.request("POST", "/v1/messages" + query, {"x-api-key": key}, b"{}")
            sys.stdout.write(f"{answer.status} {answer.headers} {answer.body.decode()}\n")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
