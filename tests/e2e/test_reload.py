"""Reloads of a whole proxy under load: no request fails, and none is served by halves of two configurations."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from llm_to_anthropic.scripted import Conversation, ScriptedUpstream
from tests.e2e.raw import posted, request
from tests.running import RunningProxy, running_proxy, workers_of

FILE = "llm-to-anthropic.toml"
VERSIONS = ("a", "b")
RELOADS = 100
REQUESTS_PER_S = 50
CONFIGURATION = """
[models]
probe = "x/model-{name}"
[providers.x]
protocol = "openai_chat"
base_url = "{url}/v1"
api_key = "file:key-{name}"
"""


class Place:
    """A folder with two sound configurations, each with an upstream and a key of its own."""

    def __init__(self, folder: Path, upstreams: dict[str, ScriptedUpstream]) -> None:
        self.folder = folder
        self.upstreams = upstreams
        for name in VERSIONS:
            key = folder / f"key-{name}"
            key.write_text(f"key-of-{name}")
            key.chmod(0o600)
        self.write("a")

    def write(self, name: str) -> None:
        """Puts a configuration in place, as an editor does: another file under the name."""
        text = "probe = [\n" if name == "bad" else CONFIGURATION.format(name=name, url=self.upstreams[name].url)
        (self.folder / "next").write_text(text)
        (self.folder / "next").rename(self.folder / FILE)

    def mixed(self) -> list[str]:
        """Requests that came to an upstream with the other's model or key."""
        return [
            f"{name}: {sent.json()['model']} {sent.headers['authorization']}"
            for name, upstream in self.upstreams.items()
            for sent in upstream.requests
            if (sent.json()["model"], sent.headers["authorization"]) != (f"model-{name}", f"Bearer key-of-{name}")
        ]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        upstreams = {name: await stack.enter_async_context(ScriptedUpstream(Conversation())) for name in VERSIONS}
        yield Place(tmp_path, upstreams)


@asynccontextmanager
async def proxy_at(place: Place, *arguments: str) -> AsyncIterator[RunningProxy]:
    async with running_proxy(*arguments, cwd=place.folder, env={"OPENAI_API_KEY": "unused"}) as proxy:
        yield proxy


async def status_of(url: str) -> int:
    """The status of one streamed answer that came to its end, else 0."""
    async with posted(url, request(stream=True, model="probe")) as (reader, _):
        answer = await asyncio.wait_for(reader.read(), 10)
    status = int(answer.split()[1])
    return status if status != 200 or b"event: message_stop" in answer else 0


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


async def until_logged(proxy: RunningProxy, text: str, count: int) -> None:
    async with asyncio.timeout(10):
        while proxy.err.count(text) < count:  # noqa: ASYNC110  it is another process that writes
            await asyncio.sleep(0.005)


async def reload(place: Place, proxy: RunningProxy) -> None:
    """100 reloads one after the other, of which 30 are of a file that is no configuration."""
    bad = good = 0
    for number in range(RELOADS):
        name = "bad" if number % 10 in (3, 6, 9) else VERSIONS[number % 2]
        bad, good = bad + (name == "bad"), good + (name != "bad")
        place.write(name)
        proxy.process.send_signal(signal.SIGHUP)
        await until_logged(proxy, "the configuration was not reloaded", bad)
        await until_logged(proxy, "the configuration was reloaded", good)


async def test_reloads_under_load_cost_no_request(place: Place) -> None:
    """100 reloads at 50 requests per second, 30 of bad files: every request is answered, by one configuration alone."""
    async with proxy_at(place) as proxy:
        assert await status_of(proxy.url) == 200
        before = open_files(proxy.process.pid)
        reloading = asyncio.create_task(reload(place, proxy))
        asked: list[asyncio.Task[int]] = []
        while not reloading.done():
            asked.append(asyncio.create_task(status_of(proxy.url)))
            await asyncio.sleep(1 / REQUESTS_PER_S)
        await reloading
        assert Counter([await each for each in asked]) == {200: len(asked)}
        # The last one lets go of the connections that the one before has kept.
        place.write("a")
        proxy.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(5):
            while open_files(proxy.process.pid) > before:  # noqa: ASYNC110  the system tells nobody
                await asyncio.sleep(0.01)
        assert proxy.err.count('"problem"') == 30
    assert place.mixed() == []
    assert all(upstream.requests for upstream in place.upstreams.values())


async def test_every_worker_reloads(place: Place) -> None:
    """SIGHUP to the parent reaches all workers, and what they read anew includes the files of keys."""
    async with proxy_at(place, "--workers", "2") as proxy:
        place.write("b")
        proxy.process.send_signal(signal.SIGHUP)
        await until_logged(proxy, "the configuration was reloaded", 2)
        (place.folder / "key-b").write_text("key-of-b-2")
        proxy.process.send_signal(signal.SIGHUP)
        await until_logged(proxy, "the configuration was reloaded", 4)
        assert [await status_of(proxy.url) for _ in range(10)] == [200] * 10
    assert not place.upstreams["a"].requests
    keys = {sent.headers["authorization"] for sent in place.upstreams["b"].requests}
    assert keys == {"Bearer key-of-b-2"}
    assert "key-of-b" not in proxy.err


async def test_the_next_request_has_the_new_key(place: Place) -> None:
    """A key's file that is exchanged counts from the next request on, 20 times in a row, without restart or signal."""
    async with proxy_at(place) as proxy:
        for number in range(20):
            (place.folder / "next").write_text(f"key-number-{number}")
            (place.folder / "next").rename(place.folder / "key-a")
            assert await status_of(proxy.url) == 200
    sent = [request.headers["authorization"] for request in place.upstreams["a"].requests]
    assert sent == [f"Bearer key-number-{number}" for number in range(20)]
    assert "key-number" not in proxy.err


async def test_a_key_that_is_half_written_changes_nothing(place: Place) -> None:
    """An empty key's file is told in the log, once, and the former key stays until there is another."""
    async with proxy_at(place) as proxy:
        (place.folder / "key-a").write_text("")
        assert [await status_of(proxy.url) for _ in range(3)] == [200, 200, 200]
        (place.folder / "key-a").write_text("key-of-now")
        assert await status_of(proxy.url) == 200
        proxy.process.terminate()  # killed, it takes its last lines with it
        await proxy.process.wait()
    assert proxy.err.count("names an empty file") == 1
    sent = [request.headers["authorization"] for request in place.upstreams["a"].requests]
    assert sent == ["Bearer key-of-a"] * 3 + ["Bearer key-of-now"]


async def replace_workers(proxy: RunningProxy) -> None:
    """Has the workers die, and others take their places."""
    before = set(workers_of(proxy.process.pid))
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    async with asyncio.timeout(10):
        while len(set(workers_of(proxy.process.pid)) - before) < len(before):  # noqa: ASYNC110  the system tells nobody
            await asyncio.sleep(0.01)


async def test_a_worker_that_takes_anothers_place_goes_on_from_the_last_sound_configuration(place: Place) -> None:
    """Where the file is broken by then it serves by what the others serve by, and not by what the server began with."""
    async with proxy_at(place, "--workers", "2") as proxy:
        for name, event in (("b", "the configuration was reloaded"), ("bad", "the configuration was not reloaded")):
            place.write(name)
            proxy.process.send_signal(signal.SIGHUP)
            await until_logged(proxy, event, 2)
        await replace_workers(proxy)
        assert [await status_of(proxy.url) for _ in range(4)] == [200] * 4
    assert not place.upstreams["a"].requests


async def test_a_worker_that_takes_anothers_place_keeps_new_keys_out_of_the_log(place: Place) -> None:
    """What it reads anew at its start it has to know as secret, as those know it that read it on a reload."""
    async with proxy_at(place, "--workers", "2") as proxy:
        (place.folder / "key-a").write_text("key-of-now")
        await replace_workers(proxy)
        assert await status_of(proxy.url) == 200
        async with posted(proxy.url, request(stream=True, model="key-of-now")) as (reader, _):
            await asyncio.wait_for(reader.read(), 10)
        await until_logged(proxy, "not_found_error", 1)
    assert place.upstreams["a"].requests[-1].headers["authorization"] == "Bearer key-of-now"
    assert "key-of-now" not in proxy.err
