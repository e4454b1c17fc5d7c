"""What upstreams say about when to come back, in all their spellings, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from email.utils import formatdate

import pytest

from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import Script, ScriptedUpstream
from llm_to_anthropic.scripted.script import Request
from llm_to_anthropic.settings import Retries
from llm_to_anthropic.translators.rate_limits import retry_after_s
from tests.gateway.answers import PROTOCOLS, bad, good
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call
from tests.gateway.pacing import FakePace, provider, routed

NOW = 1_764_000_000.0
DATE = formatdate(NOW + 30, usegmt=True)
RETRY_INFO = (
    '{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}]}}'
)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, "", 7),
        ({"retry-after": "0"}, "", 0),
        ({"retry-after": "1.2"}, "", 2),
        ({"retry-after": " 12 "}, "", 12),
        ({"retry-after": "287441"}, "", 287441),
        ({"retry-after": DATE}, "", 30),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, "", 0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "inf"}, "", None),
        ({"retry-after": "6m0s"}, "", 360),
        ({"retry-after-ms": "1500"}, "", 2),
        ({"retry-after-ms": "250", "retry-after": "9"}, "", 1),
        ({"retry-after-ms": "0", "retry-after": "9"}, "", 9),
        ({"x-ms-retry-after-ms": "4200"}, "", 5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, "", 360),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, "", 1),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"}, "", 3724),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"}, "", None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "17"}, "", 17),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1764000042"}, "", 42),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1764000042000"}, "", 42),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2025-11-24T16:00:20Z",
            },
            "",
            20,
        ),
        ({}, RETRY_INFO, 35),
        ({}, '{"error":{"message":"Please try again in 1.5s."}}', 2),
        ({}, '{"error":{"message":"Please retry after 14 seconds."}}', 14),
        ({}, '{"detail":"slow down","retry_after":3}', 3),
        ({}, "", None),
    ],
)
def test_every_spelling_is_read(headers: Mapping[str, str], body: str, seconds: int | None) -> None:
    """Whole seconds come out, never fewer than were asked for; what makes no sense is no hint."""
    assert retry_after_s(headers, body, NOW) == seconds


@pytest.fixture
def away_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("away_from_utc")
@pytest.mark.parametrize(
    "date", ["Mon Nov 24 16:00:30 2025", formatdate(NOW + 30), "2025-11-24T16:00:30"], ids=["asctime", "-0000", "iso"]
)
def test_a_date_without_a_zone_is_utc(date: str) -> None:
    """HTTP's dates are UTC wherever the proxy runs, also those that do not say so."""
    assert retry_after_s({"retry-after": date}, "", NOW) == 30


@pytest.fixture
def pace() -> FakePace:
    return FakePace()


class Times:
    """Notes when requests arrive, by the clock that only sleeping moves on."""

    def __init__(self, pace: FakePace, script: Script) -> None:
        self.at: list[float] = []
        self._pace = pace
        self._script = script

    def __call__(self, request: Request) -> object:
        self.at.append(self._pace.at)
        return self._script(request)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("header", [("retry-after", "8"), ("retry-after-ms", "8000")], ids=["seconds", "milliseconds"])
async def test_a_short_pause_is_waited_for(
    upstream: ScriptedUpstream, pace: FakePace, records: Records, protocol: Protocol, header: tuple[str, str]
) -> None:
    """The upstream sees no request before the time that it named, and the client sees no error."""
    script = Script([bad(protocol, 429, headers=(header,)), good(protocol, streamed=False)])
    upstream.respond = times = Times(pace, script)  # type: ignore[assignment]
    reply = MemoryReply()
    async with routed({"m": provider("one", upstream.url, protocol)}, pace, records) as gateway:
        await gateway.messages(call(ask("mine")), reply)
    assert reply.status == 200
    first, second = times.at
    assert 8.0 <= second - first < 9.0


@pytest.mark.parametrize(
    ("wait", "advice"),
    [
        pytest.param("21", b"true", id="longer than we wait"),
        pytest.param("60", b"true", id="as long as SDKs wait"),
        pytest.param("287441", b"false", id="three days"),
    ],
)
async def test_a_long_pause_is_told(
    upstream: ScriptedUpstream, script: Script, records: Records, wait: str, advice: bytes
) -> None:
    """A pause that is too long to wait here is told in full, never shortened, and nothing is sent meanwhile."""
    pace = FakePace()
    script.push(*[bad("anthropic", 429, headers=(("retry-after", wait),))] * 3)
    reply = MemoryReply()
    async with routed({"m": provider("one", upstream.url, "anthropic")}, pace, records) as gateway:
        await gateway.messages(call(ask("mine")), reply)
    assert (reply.status, reply.headers[b"retry-after"]) == (429, wait.encode())
    assert reply.headers[b"x-should-retry"] == advice
    assert (len(upstream.requests), pace.slept) == (1, [])


async def test_pauses_add_up(upstream: ScriptedUpstream, script: Script, pace: FakePace, records: Records) -> None:
    """An upstream that asks for one pause after the other is given `max_wait_s` in all, then the client is told."""
    script.push(*[bad("openai_chat", 429, headers=(("retry-after", "17"),))] * 3)
    reply = MemoryReply()
    async with routed({"m": provider("one", upstream.url)}, pace, records) as gateway:
        await gateway.messages(call(ask("mine")), reply)
    assert (reply.status, reply.headers[b"retry-after"], reply.headers[b"x-should-retry"]) == (429, b"17", b"true")
    assert len(upstream.requests) == 2
    assert len(pace.slept) == 1


async def test_a_stream_does_not_wait_longer_than_it_may_be_silent(
    upstream: ScriptedUpstream, script: Script, pace: FakePace, records: Records
) -> None:
    """After ten seconds a streaming client would be answered 200: a longer pause is the client's to make."""
    script.push(bad("openai_chat", 429, headers=(("retry-after", "11"),)))
    reply = MemoryReply()
    async with routed({"m": provider("one", upstream.url)}, pace, records) as gateway:
        await gateway.messages(call(ask("mine", stream=True)), reply)
    assert (reply.status, reply.headers[b"retry-after"], pace.slept) == (429, b"11", [])


async def test_the_wait_can_be_set(
    upstream: ScriptedUpstream, script: Script, pace: FakePace, records: Records
) -> None:
    """`max_wait_s = 0` waits for nobody."""
    script.push(bad("openai_chat", 429, headers=(("retry-after", "1"),)))
    one = {"m": provider("one", upstream.url)}
    async with routed(one, pace, records, retries=Retries(max_wait_s=0)) as gateway:
        await gateway.messages(call(ask("mine")), MemoryReply())
    assert pace.slept == []
