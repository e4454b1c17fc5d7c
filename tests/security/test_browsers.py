"""A real browser on the user's machine: no page of somebody else's reads anything from the proxy, or triggers it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType

import pytest

from tests.http.fake import FakeGateway, Front, front
from tests.upstream.raw_server import Peer, RawServer

PATH = "/usr/local/bin:/usr/bin:/bin"
WITHIN_S = 50.0
PAGE = """<!doctype html><title>page</title><iframe name="hole"></iframe>
<script>
const base = BASE;
const told = {};
const post = {method: "POST"};
const unseen = {method: "POST", mode: "no-cors"};
const json = {"content-type": "application/json"};
const body = JSON.stringify({model: "x", max_tokens: 5, messages: [{role: "user", content: "hi"}]});
async function attempt(name, act) {
  try { told[name] = String(await act()); } catch (error) { told[name] = "refused"; }
}
const read = async (path, options) => {
  const answer = await fetch(base + path, options);
  return answer.type === "opaque" ? "unseen" : "read " + answer.status;
};
const loaded = (tag, name, value) => new Promise((done) => {
  const element = document.createElement(tag);
  element.onload = () => done("loaded");
  element.onerror = () => done("refused");
  element[name] = value;
  document.body.append(element);
});
(async () => {
  await attempt("get_models", () => read("/v1/models"));
  await attempt("get_health", () => read("/health"));
  await attempt("get_unseen", () => read("/v1/models", {mode: "no-cors"}));
  await attempt("post_json", () => read("/v1/messages", {...post, headers: json, body}));
  const keyed = {...json, "x-api-key": "any"};
  await attempt("post_with_key", () => read("/v1/messages", {...post, headers: keyed, body}));
  await attempt("post_text", () => read("/v1/messages", {...post, body}));
  await attempt("post_text_unseen", () => read("/v1/messages", {...unseen, body}));
  await attempt("post_blob_unseen", () => read("/v1/messages", {...unseen, body: new Blob([body])}));
  await attempt("post_form", () => read("/v1/messages", {...unseen, body: new URLSearchParams({a: body})}));
  await attempt("count", () => read("/v1/messages/count_tokens", {...unseen, body}));
  await attempt("beacon", () => { navigator.sendBeacon(base + "/v1/messages", body); return "unseen"; });
  await attempt("delete", () => read("/v1/files/x", {method: "DELETE"}));
  await attempt("image", () => loaded("img", "src", base + "/v1/models"));
  await attempt("script", () => loaded("script", "src", base + "/v1/models"));
  await attempt("frame", async () => {
    await loaded("iframe", "src", base + "/v1/models");
    return document.body.lastElementChild.contentDocument ? "read frame" : "unseen";
  });
  await attempt("form", () => {
    const form = document.createElement("form");
    form.method = "POST"; form.enctype = "text/plain"; form.target = "hole"; form.action = base + "/v1/messages";
    const field = document.createElement("input");
    field.name = body.slice(0, -1) + ',"a":"'; field.value = '"}';
    form.append(field); document.body.append(form); form.submit();
    return new Promise((done) => setTimeout(() => done("unseen"), 300));
  });
  await attempt("socket", () => new Promise((done) => {
    const socket = new WebSocket(base.replace("http", "ws") + "/v1/messages");
    socket.onopen = () => done("read socket");
    socket.onerror = () => done("refused");
  }));
  await fetch(REPORT, {method: "POST", mode: "no-cors", body: JSON.stringify(told)});
})();
</script>"""
ATTEMPTS = set(re.findall(r'attempt\("(\w+)"', PAGE))


def page(base: str, report: str) -> bytes:
    """The page that tries its luck at `base`, and tells `report`."""
    body = PAGE.replace("BASE", json.dumps(base)).replace("REPORT", json.dumps(report)).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Browser:
    """A headless Chromium, and a server that hears what its page has to tell."""

    def __init__(self, profile: Path) -> None:
        self._command = shutil.which("chromium", path=PATH) or shutil.which("google-chrome", path=PATH)
        if self._command is None:
            pytest.skip("Chromium is not installed")
        self._profile = profile
        self._told: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._server = RawServer(self._hear)

    async def _hear(self, peer: Peer) -> None:
        request = await peer.request()
        self._told.set_result(json.loads(request.partition(b"\r\n\r\n")[2]))
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    @property
    def report(self) -> str:
        """Where a page tells what became of its attempts."""
        return self._server.url

    async def __aenter__(self) -> Browser:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self._server.__aexit__(kind, error, trace)

    async def visit(self, url: str, rules: str = "") -> dict[str, str]:
        """What the page tells of its attempts; `rules` map names to addresses."""
        assert self._command is not None
        process = await asyncio.create_subprocess_exec(
            self._command,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"),
            *(f"--user-data-dir={self._profile}", f"--host-resolver-rules={rules}", "--remote-debugging-port=0", url),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": PATH, "HOME": str(self._profile)},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                told = await self._told
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it has children
            await process.wait()
        assert set(told) == ATTEMPTS
        return told


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with Browser(tmp_path) as running:
        yield running


@asynccontextmanager
async def pages(base: Callable[[], str], browser: Browser) -> AsyncIterator[RawServer]:
    """A server of web pages that try their luck at `base`."""
    nothing = b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"

    async def script(peer: Peer) -> None:
        while request := await peer.head():
            await peer.send(page(base(), browser.report) if request.startswith(b"GET / ") else nothing)

    async with RawServer(script) as server:
        yield server


def seen(told: dict[str, str]) -> dict[str, str]:
    """The attempts that got to read something."""
    return {name: outcome for name, outcome in told.items() if outcome.startswith("read ") or outcome == "loaded"}


def triggered(server: Front) -> list[object]:
    """Whatever came further than the checks."""
    return [*server.gateway.calls, *(each for each in server.gateway.exchanges if each.status < 400)]


@pytest.mark.timeout(60)
async def test_page_of_another_origin_reaches_nothing(browser: Browser) -> None:
    """A page on another port of this machine, which could be any web page, reads nothing and triggers nothing."""
    async with front() as server, pages(lambda: server.url, browser) as site:
        told = await browser.visit(f"{site.url}/")
        assert seen(told) == {}
        assert triggered(server) == []
        assert len(server.gateway.exchanges) >= 8  # it did try


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def _rebinding(server: Front, browser: Browser) -> Callable[[Peer], Awaitable[None]]:
    """The server behind a name that leads to an attacker for one page, and to the user's own proxy from then on."""
    answered: set[int] = set()

    async def script(peer: Peer) -> None:
        head = await peer.head()
        if not answered and head.startswith(b"GET / "):
            answered.add(peer.number)
            host = re.search(rb"(?i)host: (\S+)", head)
            assert host is not None
            await peer.send(page(f"http://{host[1].decode()}", browser.report))
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head)
        await asyncio.gather(_carry(peer.reader, writer), _carry(reader, peer.writer))

    return script


@pytest.mark.timeout(60)
async def test_page_with_a_rebound_name_reaches_nothing(browser: Browser) -> None:
    """A page whose own name suddenly means this machine is of the same origin as the proxy, and still gets nothing."""
    name = "rebound.example"
    async with front() as server, RawServer(_rebinding(server, browser)) as site:
        told = await browser.visit(f"http://{name}:{site.port}/", f"MAP {name} 127.0.0.1")
        read = seen(told)
        assert {outcome for outcome in read.values() if outcome != "loaded"} <= {"read 403", "read frame"}
        assert triggered(server) == []
        assert {exchange.status for exchange in server.gateway.exchanges} <= {400, 403}
        assert len(server.gateway.exchanges) >= 8


@pytest.mark.timeout(60)
async def test_page_that_is_meant_to_gets_through(browser: Browser) -> None:
    """The same page, once its origin is configured, reads its answers: what fails above fails for the right reason."""
    gateway = FakeGateway()
    ports: list[str] = []
    async with pages(lambda: ports[0], browser) as site, front(gateway, allowed_origins=(site.url,)) as server:
        ports.append(server.url)
        told = await browser.visit(f"{site.url}/")
    assert {told[name] for name in ("get_models", "get_health", "post_json", "post_with_key")} == {"read 200"}
    assert told["post_text"] == "read 415"
    assert len(gateway.calls) >= 2
