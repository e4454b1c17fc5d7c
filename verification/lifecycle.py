"""Slow, stalled and patient clients, drains and rolling restarts at full size: python -m verification.lifecycle.

The tests do the same with fewer streams or shorter times. This takes eight minutes; the exit code is 1 where a promise
did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anthropic

from llm_to_anthropic.scripted import Answer, Delay, Line, Responder, ScriptedUpstream, openai_chat, stream, whole
from tests.e2e.raw import event_names, posted, request
from tests.e2e.replicas import HAPROXY, rolled
from tests.running import RunningProxy, running_proxy
from verification.finding import Finding
from verification.slow_reader import slow_reader

STREAMS = 50
STREAM_S = 8.0
TERM_AFTER_S = 1.0
ENDED_WITHIN_S = 10.0
"""Of SIGTERM."""
SHORT_DRAIN_S = 2.0
ROLLING_S = 60.0
WRITE_S = 60.0
"""The default of `write_s`."""
APART_S = 2.0
"""What is waiting is looked at every second, and the first look may still see some of it taken."""
LET_GO_S = 1.0
"""The upstream, at the latest so long after its client."""
SILENCE_S = 290.0
MAX_GAP_S = 11.0
MODEL = "openai/gpt-4.1"
WORDS = Line(text="one two three four five six seven eight")
LONG = Line(text="x" * (16 << 20))


@asynccontextmanager
async def proxy_before(respond: Responder, timeouts: str = "") -> AsyncIterator[tuple[RunningProxy, ScriptedUpstream]]:
    """A proxy in its own process, before a scripted upstream."""
    with _configured(timeouts) as folder:
        async with ScriptedUpstream(respond) as upstream:
            env = {"OPENAI_API_KEY": "test-key", "OPENAI_BASE_URL": f"{upstream.url}/v1"}
            async with running_proxy(cwd=folder, env=env) as proxy:
                yield proxy, upstream


@contextmanager
def _configured(timeouts: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lifecycle-") as folder:
        Path(folder, "llm-to-anthropic.toml").write_text(f"[timeouts]\n{timeouts}\n")
        yield Path(folder)


def outcomes(proxy: RunningProxy) -> Counter[str]:
    """Of all requests in the log so far."""
    lines = [json.loads(line) for line in proxy.err.splitlines() if line.startswith("{")]
    return Counter(line["outcome"] for line in lines if line["event"] == "request")


async def drain() -> Finding:
    """Streams that run when SIGTERM comes reach their end."""
    return await _drained("a drain", "", {"message_stop": STREAMS}, {"ok": STREAMS})


async def short_drain() -> Finding:
    """Streams that outlast `drain_s` end in words."""
    timeouts = f"drain_s = {SHORT_DRAIN_S}"
    return await _drained("a short drain", timeouts, {"error": STREAMS}, {"overloaded_error": STREAMS})


async def _drained(name: str, timeouts: str, ends: dict[str, int], records: dict[str, int]) -> Finding:
    pieces = openai_chat.chunks(WORDS, "gpt-4.1")
    steps = [step for piece in pieces for step in (piece, Delay(STREAM_S / len(pieces)))]
    async with proxy_before(lambda _: stream(*steps), timeouts) as (proxy, _):
        asking = [asyncio.create_task(_last_event(proxy.url)) for _ in range(STREAMS)]
        await asyncio.sleep(TERM_AFTER_S)
        proxy.process.send_signal(signal.SIGTERM)
        began = time.perf_counter()
        code = await asyncio.wait_for(proxy.process.wait(), STREAM_S * 3)
        took_s = time.perf_counter() - began
        seen = Counter(await asyncio.gather(*asking))
    recorded = outcomes(proxy)
    told = f"SIGTERM at {TERM_AFTER_S:g} s of {STREAM_S:g}: {dict(seen)}, recorded {dict(recorded)}"
    return Finding.judged(
        name,
        f"{told}, exit {code} after {took_s:.1f} s",
        every_stream_ends_as_promised=seen == ends,
        every_stream_is_recorded=recorded == records,
        exit_code_0_in_time=code == 0 and took_s <= ENDED_WITHIN_S,
    )


async def _last_event(url: str) -> str:
    async with posted(url, request(stream=True)) as (reader, _):
        names = event_names(await reader.read())
    return names[-1] if names else "nothing"


async def rolling() -> Finding:
    """Two replicas behind haproxy are restarted in turn."""
    if HAPROXY is None:
        return Finding("rolling restarts", "skipped, there is no haproxy")
    with tempfile.TemporaryDirectory(prefix="lifecycle-") as folder:
        statuses, restarts = await rolled(Path(folder), ROLLING_S)
    failed = statuses.total() - statuses[200]
    told = f"{restarts} restarts in {ROLLING_S:g} s, {statuses.total()} streams, {failed} failed"
    return Finding.judged("rolling restarts", told, no_request_fails=failed == 0)


async def stalled_stream() -> Finding:
    """A client reads nothing of a stream."""
    text = openai_chat.chunks(Line(text="x" * (64 << 10)), "gpt-4.1")[1]
    return await _stalled("a stalled stream", stream(*[text] * 1600), streamed=True)


async def stalled_answer() -> Finding:
    """A client reads nothing of a whole answer."""
    return await _stalled("a stalled whole answer", whole(openai_chat.completion(LONG, "gpt-4.1")), streamed=False)


async def _stalled(name: str, answer: Answer, *, streamed: bool) -> Finding:
    clock = time.perf_counter
    # Nobody reads what `posted` opens, so the connection is full after 128 KiB.
    async with proxy_before(lambda _: answer) as (proxy, upstream), posted(proxy.url, request(stream=streamed)):
        asked = await upstream.request(0)
        began = clock()
        while not outcomes(proxy) and clock() - began < WRITE_S * 2:  # noqa: ASYNC110  a log tells nobody of its lines
            await asyncio.sleep(0.05)
        cut_s, recorded = clock() - began, outcomes(proxy)
        await asyncio.sleep(LET_GO_S)
        closed = asked.closed.is_set() or asked.answered.is_set()
    told = f"cut off after {cut_s:.1f} s, recorded {dict(recorded)}"
    return Finding.judged(
        name,
        told,
        cut_off_after_write_s=abs(cut_s - WRITE_S) <= APART_S,
        the_upstream_is_let_go=closed,
        recorded_as_client_stalled=recorded == {"client_stalled": 1},
    )


async def silence() -> Finding:
    """The upstream is silent for minutes, and then answers."""
    answer = stream(*openai_chat.chunks(WORDS, "gpt-4.1"), before_head=(Delay(SILENCE_S),))
    async with proxy_before(lambda _: answer, "first_event_s = 300.0") as (proxy, _):
        said, gaps = await asyncio.gather(_said(proxy.url), _gaps(proxy.url))
    told = f"{SILENCE_S:g} s: at most {max(gaps):.1f} s between two pings, the SDK got {said!r}"
    return Finding.judged(
        "a silent upstream", told, the_SDK_gets_the_message=said == WORDS.text, a_ping_in_time=max(gaps) <= MAX_GAP_S
    )


async def _said(url: str) -> str:
    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key="client-key", max_retries=0) as sdk,
        sdk.messages.stream(model=MODEL, max_tokens=64, messages=[{"role": "user", "content": "Hello"}]) as events,
    ):
        return await events.get_final_text()


async def _gaps(url: str) -> list[float]:
    """Seconds between what comes, from the request on."""
    gaps, last = [], time.perf_counter()
    async with posted(url, request(stream=True)) as (reader, _):
        while await reader.read(65_536):
            gaps.append(time.perf_counter() - last)
            last = time.perf_counter()
    return gaps


ALONE: dict[str, Callable[[], Awaitable[Finding]]] = {"slow_reader": slow_reader}
"""Measures time, and would measure the others."""
TOGETHER: dict[str, Callable[[], Awaitable[Finding]]] = {
    each.__name__: each for each in (drain, short_drain, rolling, stalled_stream, stalled_answer, silence)
}


async def found(names: list[str]) -> list[Finding]:
    """One after the other what is to run alone, the rest side by side."""
    findings = [await measure() for name, measure in ALONE.items() if name in names]
    return findings + await asyncio.gather(*(measure() for name, measure in TOGETHER.items() if name in names))


def main() -> int:
    """Prints what was measured, then what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = [*ALONE, *TOGETHER]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; by default all")
    names = parser.parse_args().names or known
    if unknown := set(names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    findings = asyncio.run(found(names))
    write = sys.stdout.write
    for one in findings:
        write(f"{one.name}: {one.told}\n")
    problems = [f"{one.name}: not so: {problem}\n" for one in findings for problem in one.problems]
    write("".join(problems) + f"{len(problems)} problems\n")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
