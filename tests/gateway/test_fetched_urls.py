"""Images and documents by URL, for upstreams that take none: refused, or fetched where that is switched on."""

from __future__ import annotations

import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.scripted import Script, ScriptedUpstream
from llm_to_anthropic.scripted.conversation import Conversation
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.upstream import Fetched, Fetcher, Upstream
from llm_to_anthropic.upstream.connecting import Address
from tests.gateway.conftest import Records, providers
from tests.gateway.memory_reply import MemoryReply, call, reply_to

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7"
FILES = {"https://files.test/picture": PNG, "https://files.test/paper": PDF, "https://files.test/other": PNG}


async def _inside(_host: str, port: int) -> list[Address]:
    return [(socket.AF_INET, ("10.0.0.1", port))]


class KnownFiles(Fetcher):
    """Fetches from memory."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked: list[str] = []

    async def fetch(self, url: str) -> Fetched:
        self.asked.append(url)
        data = FILES[url]
        return Fetched("application/pdf" if data == PDF else "image/png", data)


def block(kind: str, url: str) -> dict[str, object]:
    return {"type": kind, "source": {"type": "url", "url": url}}


def ask(*blocks: dict[str, object], model: str = "local/some-model") -> dict[str, object]:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Look: 1.50"}, *blocks]}]
    return {"model": model, "max_tokens": 50, "messages": messages}


Answered = Callable[[dict[str, object]], Awaitable[MemoryReply]]


@asynccontextmanager
async def gateway_with(fetcher: Fetcher | None, upstream: ScriptedUpstream) -> AsyncIterator[Answered]:
    local = msgspec.structs.replace(providers(upstream.url)["openai"], name="local", preset="ollama")
    known: dict[str, Provider] = {**providers(upstream.url), "local": local}
    settings = Settings(providers=known, aliases={})
    gateway = Gateway(settings, Upstream(settings.timeouts), [Records()], fetcher=fetcher)

    async def answered(body: dict[str, object]) -> MemoryReply:
        return await reply_to(gateway, call(body))

    yield answered
    await gateway.close()


@pytest.fixture
def script() -> Script:
    return Script(otherwise=Conversation())


@pytest.mark.parametrize("kind", ["image", "document"])
async def test_url_is_refused_in_words_where_fetching_is_off(kind: str, upstream: ScriptedUpstream) -> None:
    """Without the setting nothing is fetched: a 400 names the field, what to do, and the setting."""
    async with gateway_with(None, upstream) as answered:
        reply = await answered(ask(block(kind, "https://files.test/x")))
    message = msgspec.json.decode(reply.body)["error"]["message"]
    assert reply.status == 400
    assert message.startswith(f"messages.0.content.1.source.url: model 'local/some-model' takes no {kind}s by URL")
    assert "FETCH_URLS=true" in message
    assert upstream.requests == []


async def test_image_is_fetched_and_sent_as_data(upstream: ScriptedUpstream) -> None:
    """What the upstream does not fetch itself arrives as base64, once for each place, the rest as it was."""
    files = KnownFiles()
    async with gateway_with(files, upstream) as answered:
        same = block("image", "https://files.test/picture")
        reply = await answered(ask(same, block("image", "https://files.test/other"), same))
    parts = upstream.requests[0].json()["messages"][0]["content"]  # type: ignore[index]
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert reply.status == 200
    assert [part["type"] for part in parts] == ["text", "image_url", "image_url", "image_url"]
    assert [part["image_url"]["url"] for part in parts[1:]] == [url] * 3
    assert files.asked == ["https://files.test/picture", "https://files.test/other"]


async def test_url_in_a_tool_result_is_fetched_too(upstream: ScriptedUpstream) -> None:
    """A tool's picture by URL is as good as the user's."""
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"n": 1.50}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": [block("image", "https://files.test/picture")],
    }
    body = ask()
    body["messages"] += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]  # type: ignore[operator]
    body["tools"] = [{"name": "look", "input_schema": {"type": "object"}}]
    files = KnownFiles()
    async with gateway_with(files, upstream) as answered:
        reply = await answered(body)
    assert reply.status == 200
    assert base64.b64encode(PNG) in upstream.requests[0].body
    assert files.asked == ["https://files.test/picture"]


async def test_document_is_fetched_where_no_chat_upstream_takes_one(upstream: ScriptedUpstream) -> None:
    """Chat Completions know no documents by URL, whatever the vendor."""
    async with gateway_with(KnownFiles(), upstream) as answered:
        reply = await answered(ask(block("document", "https://files.test/paper"), model="openai/gpt-4o"))
    assert reply.status == 200
    assert base64.b64encode(PDF) in upstream.requests[0].body


async def test_file_of_another_kind_is_refused(upstream: ScriptedUpstream) -> None:
    """A PDF is no image, whatever the block calls it."""
    async with gateway_with(KnownFiles(), upstream) as answered:
        reply = await answered(ask(block("image", "https://files.test/paper")))
    assert reply.status == 400
    assert "messages.0.content.1.source.url: leads to application/pdf, which is no image" in reply.body.decode()


async def test_url_that_the_upstream_takes_is_not_fetched(upstream: ScriptedUpstream) -> None:
    """Where the upstream fetches by itself its URL is passed on."""
    files = KnownFiles()
    async with gateway_with(files, upstream) as answered:
        reply = await answered(ask(block("image", "https://files.test/picture.png"), model="openai/gpt-4o"))
    assert reply.status == 200
    assert b"https://files.test/picture.png" in upstream.requests[0].body
    assert files.asked == []


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/x", "https://127.0.0.1/x", "http://169.254.169.254/x", "https://localhost/x"]
)
@pytest.mark.parametrize("kind", ["image", "document"])
async def test_private_url_is_neither_fetched_nor_passed_on(url: str, kind: str, upstream: ScriptedUpstream) -> None:
    """An address within is refused before anybody asks for it."""
    files = KnownFiles()
    async with gateway_with(files, upstream) as answered:
        reply = await answered(ask(block(kind, url)))
    assert (reply.status, files.asked, upstream.requests) == (400, [], [])


async def test_name_that_leads_inside_is_told_with_its_place(upstream: ScriptedUpstream) -> None:
    """What the fetcher refuses is the client's 400, at the field that names the URL."""
    async with gateway_with(Fetcher({}, resolve=_inside), upstream) as answered:
        reply = await answered(ask(block("image", "https://files.test/x")))
    assert reply.status == 400
    assert "messages.0.content.1.source.url: must lead to a public address" in reply.body.decode()
    assert upstream.requests == []


@pytest.mark.parametrize(("fetcher", "status"), [(None, 400), (KnownFiles(), 200)], ids=["off", "on"])
async def test_counting_says_what_sending_would(
    fetcher: KnownFiles | None, status: int, upstream: ScriptedUpstream
) -> None:
    """What would be fetched is counted by an estimate, without fetching it; what would be refused is refused."""
    settings = Settings(providers=providers(upstream.url), aliases={})
    gateway = Gateway(settings, Upstream(settings.timeouts), [Records()], fetcher=fetcher)
    reply = MemoryReply()
    body = ask(block("image", "https://files.test/picture"), model="gemini/gemini-2.5-pro")
    await gateway.count_tokens(call(body, path="/v1/messages/count_tokens"), reply)
    await gateway.close()
    assert reply.status == status
    assert fetcher is None or fetcher.asked == []


async def test_twenty_urls_are_the_most(upstream: ScriptedUpstream) -> None:
    """One request cannot have the proxy fetch for ever."""
    files = KnownFiles()
    for number in range(21):
        FILES.setdefault(f"https://files.test/{number}", PNG)
    async with gateway_with(files, upstream) as answered:
        reply = await answered(ask(*(block("image", f"https://files.test/{number}") for number in range(21))))
    assert (reply.status, len(files.asked)) == (400, 20)
    assert "more than 20 URLs" in reply.body.decode()
