"""No way of writing a path or a host name gets past the client key."""

from __future__ import annotations

import random

import pytest

from llm_to_anthropic.http.health import OPEN_PATHS
from llm_to_anthropic.providers.provider import Secret
from llm_to_anthropic.settings import ClientKey
from tests.http.fake import Front, front

KEYS = (ClientKey(secret=Secret("client-key")),)
PIECES = (
    *(
        "v1",
        "messages",
        "count_tokens",
        "models",
        "health",
        "ready",
        "api",
        "hello",
        "metrics",
        "V1",
        "Health",
        "files",
    ),
    *("", ".", "..", "...", "%2e", "%2E%2e", "%252e%252e", "..;", ".%00", "%00", "%2f", "%5c", "\\", "..%2f", "..%5c"),
    *(
        "*",
        "~",
        "@evil.example",
        "evil.example",
        "http:",
        "health;x",
        "health%20",
        "health%0d%0a",
        "%ef%bc%8f",
        "%c0%af",
    ),
    *(
        "%e2%80%ae",
        "messages?x=/health",
        "health?",
        "messages#",
        "%23",
        "%3f",
        ";",
        "&",
        "=",
        "+",
        "%",
        "%zz",
        "%u002e",
    ),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
COUNT = 5000


def _fuzzed(chance: random.Random) -> tuple[str, str]:
    pieces = [chance.choice(PIECES) for _ in range(chance.randint(1, 6))]
    path = chance.choice(("/", "//", "/./", "/%2f")) + "/".join(pieces)
    return chance.choice(METHODS), path.replace("\\", "%5c" if chance.random() < 0.5 else "\\")


async def _statuses(server: Front, requests: list[tuple[str, str]]) -> list[int]:
    """What is answered to each, on as few connections as the server allows."""
    found: list[int] = []
    waiting = list(requests)
    while waiting:
        async with server.connect() as client:
            while waiting:
                method, path = waiting.pop()
                await client.send(server.encode(method, path, {"content-length": "0"}))
                answer = await client.response(head_only=method == "HEAD")
                found.append(answer.status)
                if answer.header("connection") == "close":
                    break
    return found[::-1]


async def test_no_fuzzed_path_is_open() -> None:
    """Of 5000 paths made of dots, slashes, escapes and known names none is served without a key, but the open ones."""
    chance = random.Random(20261125)  # noqa: S311  the same paths every time
    requests = [_fuzzed(chance) for _ in range(COUNT)]
    async with front(client_keys=KEYS) as server:
        statuses = await _statuses(server, requests)
        called = server.gateway.calls
    served = {
        path.partition("?")[0].partition("#")[0]
        for (_, path), status in zip(requests, statuses, strict=True)
        if status < 400
    }
    assert served <= OPEN_PATHS
    assert called == []
    assert not [status for status in statuses if status >= 500]


@pytest.mark.parametrize(
    "host",
    [
        *("localhost:4000/#@evil.example", "localhost/health", "localhost?x", "localhost#x", "evil@localhost"),
        *("localhost:80:80", "localhost:x", "[::1", "local host", "localhost\\@evil", "localhost,evil.example", ""),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/models", "/health", "/", "/metrics"])
async def test_host_header_is_no_part_of_the_path(host: str, path: str) -> None:
    """A Host that holds more than a host is a 400 on every path, with a key or without."""
    async with front(client_keys=KEYS) as server:
        for headers in ({"host": host}, {"host": host, "x-api-key": "client-key"}):
            answer = await server.request("POST", path, headers, b"{}")
            assert answer.error == (400, "invalid_request_error")
        assert server.gateway.calls == []
