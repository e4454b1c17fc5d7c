"""Reading the configuration anew: what is noticed, what is kept, and that a request stays with what it began with."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from llm_to_anthropic.config import loading
from llm_to_anthropic.errors import ConfigError
from llm_to_anthropic.gateway.call import Call, Reply
from llm_to_anthropic.http.address import base_url
from llm_to_anthropic.http.listening import listen, port_of
from llm_to_anthropic.http.live import Live
from llm_to_anthropic.http.reloading import Kept, Reloader
from llm_to_anthropic.http.server import FrontServer
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.observers.access_log import configure_logging, flush_log
from llm_to_anthropic.providers.provider import Secret
from llm_to_anthropic.settings import ClientKey, Limits, Settings
from tests.http.fake import FakeGateway, Front, settings

POLL_S = 0.02
STREAM = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


class Watched:
    """A reloader of one file that holds the name of a model, or `bad`, or `raise`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.adopted: list[str] = []
        self.reads = 0
        self.changed = asyncio.Event()
        self.reloader = Reloader(self.load, self.adopt, self.load())

    def load(self) -> Settings:
        self.reads += 1
        self.changed.set()
        text = self.file.read_text().strip() if self.file.exists() else "missing"
        files = (str(self.file),)
        if text in ("bad", "missing"):
            raise ConfigError([f"config: {text} one.", f"config: {text} two."], files)
        if text == "raise":
            raise RuntimeError("a bug")
        name, _, port = text.partition(":")
        return settings(big_model=name, files=files, port=int(port or 0), warnings=("be warned",))

    def adopt(self, changed: Settings) -> None:
        assert changed.port == 0
        self.adopted.append(changed.big_model)

    async def until_read(self) -> None:
        self.changed.clear()
        await asyncio.wait_for(self.changed.wait(), 5)


@pytest.fixture
def log() -> Any:
    """What is logged, as lines of JSON."""
    stream = io.StringIO()
    before = structlog.get_config()
    configure_logging(settings(), stream)

    def lines() -> list[dict[str, object]]:
        flush_log()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield lines
    structlog.configure(**before)


@pytest.fixture
async def watched(tmp_path: Path, log: Any) -> AsyncIterator[Watched]:
    """A reloader at work, on a file as Kubernetes mounts a ConfigMap: a link into a folder that is a link."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "config").write_text(version)
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "config").symlink_to("data/config")
    watched = Watched(tmp_path / "config")
    watched.reloader.start(POLL_S)
    yield watched
    watched.reloader.stop()


async def test_a_written_file_is_read(watched: Watched) -> None:
    """A file that was written to is read once it is left alone, and only once."""
    watched.file.write_text("changed")
    await watched.until_read()
    assert watched.adopted == ["changed"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watched.until_read(), 5 * POLL_S)


async def test_a_swapped_folder_is_noticed(watched: Watched) -> None:
    """A ConfigMap is updated by a link that is exchanged: the path stays, the file is another."""
    link = watched.file.parent / "next"
    link.symlink_to("two")
    link.rename(watched.file.parent / "data")
    await watched.until_read()
    assert watched.adopted == ["two"]


async def test_a_bad_file_changes_nothing(watched: Watched, log: Any) -> None:
    """Every problem is logged, the former configuration stays, and the mended file is read."""
    watched.file.write_text("bad")
    await watched.until_read()
    assert not watched.adopted
    assert [line["problem"] for line in log()] == ["config: bad one.", "config: bad two."]
    watched.file.write_text("mended")
    await watched.until_read()
    assert watched.adopted == ["mended"]


async def test_a_missing_file_changes_nothing(watched: Watched) -> None:
    """A file that is taken away is a problem, and is read when it is back."""
    watched.file.unlink()
    await watched.until_read()
    assert not watched.adopted
    watched.file.write_text("back")
    await watched.until_read()
    assert watched.adopted == ["back"]


@pytest.mark.parametrize("name", [".env", "llm-to-anthropic.toml"])
async def test_a_file_that_comes_later_is_read(tmp_path: Path, name: str, log: Any) -> None:
    """A usual file that is not there at the start counts once it is, and once more after it was taken away."""
    adopted: asyncio.Queue[str | None] = asyncio.Queue()
    load = partial(loading.load, {}, {"OPENAI_API_KEY": "test-key"}, tmp_path)
    reloader = Reloader(load, lambda changed: adopted.put_nowait(changed.big_model), load())
    reloader.start(POLL_S)
    for _ in range(2):
        (tmp_path / name).write_text('BIG_MODEL = "later"' if name == ".env" else 'big_model = "later"')
        assert await asyncio.wait_for(adopted.get(), 5) == "later"
        (tmp_path / name).unlink()
        assert await asyncio.wait_for(adopted.get(), 5) != "later"
    reloader.stop()


async def test_a_named_file_that_is_back_is_read(tmp_path: Path, log: Any) -> None:
    """The file of `--config` is missed while it is away, whatever other files there are, and read when it is back."""
    (tmp_path / ".env").write_text("SMALL_MODEL=small")
    named, adopted = tmp_path / "named.toml", asyncio.Queue[str | None]()
    named.write_text('big_model = "one"')
    load = partial(loading.load, {"config": str(named)}, {"OPENAI_API_KEY": "test-key"}, tmp_path)
    reloader = Reloader(load, lambda changed: adopted.put_nowait(changed.big_model), load())
    named.unlink()
    reloader.reload()
    assert "there is no file" in str(log()[0]["problem"])
    reloader.start(POLL_S)
    named.write_text('big_model = "two"')
    assert await asyncio.wait_for(adopted.get(), 5) == "two"
    reloader.stop()


async def test_a_fault_of_ours_changes_nothing(watched: Watched, log: Any) -> None:
    """Whatever goes wrong in a reload, the server goes on as it was, and the log has the traceback."""
    watched.file.write_text("raise")
    await watched.until_read()
    assert not watched.adopted
    assert "RuntimeError" in str(log()[-1]["exception"])


async def test_what_needs_a_restart_is_said(watched: Watched, log: Any) -> None:
    """The port of a running server stays; the log says so, and what the new configuration warns of."""
    watched.file.write_text("other:8083")
    await watched.until_read()
    assert watched.adopted == ["other"]
    lines = log()
    assert ("port" in str(lines[0]), lines[-1]["warning"]) == (True, "be warned")
    assert "at the next start" in str(lines[0]["event"])


async def test_a_wish_is_granted_without_a_change(watched: Watched) -> None:
    """Whoever asks for a reload gets one."""
    watched.reloader.reload()
    assert watched.adopted == ["one"]


@asynccontextmanager
async def served(live: Live) -> AsyncIterator[Front]:
    """A server of an application that may be replaced."""
    sockets = listen("127.0.0.1", 0)
    started = asyncio.Event()
    server = FrontServer(live, ready=started.set, signals=False)
    serving = asyncio.create_task(server.serve(sockets))
    await started.wait()
    try:
        yield Front(base_url("127.0.0.1", port_of(sockets)), FakeGateway())
    finally:
        server.stop()
        await serving


class Two:
    """A gateway whose streams wait, and the one that takes its place."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.old = FakeGateway(self.answer)
        self.new = FakeGateway()
        first = settings(limits=Limits(max_body_bytes=10))
        self.live = Live(first, self.old, Standing(first))

    async def answer(self, _call: Call, reply: Reply) -> None:
        reply.start(200, [(b"content-type", b"text/event-stream")])
        await reply.write(b"event: old\n\n")
        await self.go_on.wait()
        await reply.write(b"event: old\n\n")
        await reply.end()

    def replace(self) -> None:
        self.live.replace(settings(limits=Limits(max_body_bytes=20, max_running=1, max_queued=0)), self.new)


async def test_a_request_ends_where_it_began() -> None:
    """A stream goes on as it began, others have the new settings, and the old gateway is closed when it ends."""
    two = Two()
    async with served(two.live) as server, server.connect() as client:
        await client.send(STREAM)
        await client.head()
        two.replace()
        assert (await server.post(body=b"[" + b" " * 17 + b"]")).status == 529, "the stream still has its place"
        assert not two.old.closed.is_set()
        two.go_on.set()
        assert b"event: old" in await client.reader.readuntil(b"0\r\n\r\n")
        await asyncio.wait_for(two.old.closed.wait(), 5)
        assert (await server.post(body=b"[" + b" " * 17 + b"]")).status == 200
        assert (await server.post(body=b"[" + b" " * 19 + b"]")).status == 413
    assert (len(two.old.calls), len(two.new.calls)) == (1, 1)


async def test_an_idle_gateway_is_closed_at_once() -> None:
    """Nothing keeps what nobody uses; an open connection gets the new settings with its next request."""
    two = Two()
    async with served(two.live) as server, server.connect() as client:
        await client.send(server.encode("GET", "/health"))
        await client.response()
        two.replace()
        await asyncio.wait_for(two.old.closed.wait(), 5)
        await client.send(STREAM)
        assert (await client.response()).status == 200
    assert len(two.new.calls) == 1


@pytest.mark.parametrize("in_files", [True, False], ids=["keys in files", "no key in a file"])
async def test_a_request_first_looks_after_keys(*, in_files: bool) -> None:
    """Whoever watches the files of keys is asked before a request is served, and only where there are any."""
    two = Two()
    two.live.settings = settings(key_files=("a",) if in_files else ())
    two.live.refresh_by(two.replace)
    two.go_on.set()
    async with served(two.live) as server:
        assert (await server.post(body=b"{}")).status == 200
    assert (len(two.old.calls), len(two.new.calls)) == ((0, 1) if in_files else (1, 0))


async def test_a_revoked_key_counts_at_once_where_it_was_used_before() -> None:
    """A connection whose requests have passed is checked anew once the keys, or whom the server answers, are others."""
    first = settings(client_keys=(ClientKey(secret=Secret("former-key")),))
    live = Live(first, FakeGateway(), Standing(first))
    async with served(live) as server, server.connect() as client:

        async def status(key: str) -> int:
            await client.send(server.encode("POST", "/v1/messages", {"x-api-key": key}, b"{}"))
            return (await client.response()).status

        assert [await status("former-key") for _ in range(3)] == [200] * 3
        live.replace(settings(client_keys=(ClientKey(secret=Secret("other-key")),)), FakeGateway())
        assert [await status("former-key") for _ in range(2)] == [401] * 2
        assert [await status("other-key") for _ in range(3)] == [200] * 3
        live.replace(first, FakeGateway())
        assert [await status("other-key"), await status("former-key")] == [401, 200]


async def test_stopping_ends_requests_of_every_configuration() -> None:
    """A server that stops closes the gateways that still have requests, not only the newest."""
    two = Two()
    first = settings()
    two.live.settings = first
    async with served(two.live) as server, server.connect() as client:
        await client.send(STREAM)
        await client.head()
        two.replace()
        closing = asyncio.create_task(two.live.close())
        await asyncio.wait_for(two.old.closed.wait(), 5)
        await asyncio.wait_for(two.new.closed.wait(), 5)
        await closing
        two.go_on.set()


def test_a_worker_that_comes_later_reads_for_itself(tmp_path: Path) -> None:
    """A process that takes a dead one's place serves by the files as they are, else by what they last were, sound."""
    (tmp_path / "config").write_text("one")
    watched = Watched(tmp_path / "config")
    kept = Kept(watched.load, settings(big_model="one"))
    watched.file.write_text("two:8083")
    kept.renew()
    assert (kept.settings.big_model, kept.settings.port) == ("two", 0)
    watched.file.write_text("bad")
    kept.renew()
    assert kept.settings.big_model == "two"


async def test_files_are_told_apart_by_more_than_their_time(tmp_path: Path) -> None:
    """Another file under the same name, of the same age and size, is another."""
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_text("one")
    other.write_text("two")
    for each in (file, other):
        os.utime(each, (1, 1))
    watched = Watched(file)
    watched.reloader.start(POLL_S)
    other.rename(file)
    await watched.until_read()
    watched.reloader.stop()
    assert watched.adopted == ["two"]


async def test_a_pipe_changes_by_being_exchanged_alone(tmp_path: Path) -> None:
    """A password manager writes into a pipe when it is read: to have read it is no reason to read it again."""
    pipe = tmp_path / "key"
    os.mkfifo(pipe)
    reads: list[bool] = []

    def load() -> Settings:
        reads.append(True)
        return settings(files=(str(pipe),), key_files=(str(pipe),))

    reloader = Reloader(load, lambda _: None, load())
    reloader.start()
    os.utime(pipe, (1, 1))
    reloader.refresh()
    assert len(reads) == 1
    pipe.unlink()
    pipe.write_text("a key")
    reloader.refresh()
    reloader.stop()
    assert len(reads) == 2
