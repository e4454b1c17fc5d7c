"""GET /metrics: who gets it, what it tells, and that several workers tell the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_to_anthropic.observers.prometheus import FAMILIES, PREFIX
from llm_to_anthropic.providers.provider import Secret
from llm_to_anthropic.scripted import Conversation, ScriptedUpstream
from llm_to_anthropic.settings import ClientKey, Limits, Timeouts
from tests.http.fake import FakeGateway, Front, front
from tests.running import running_proxy

KEY = {"x-api-key": "client-key"}
REQUESTS = 40
CONFIGURATION = """
[models]
fast = "x/model"
[providers.x]
protocol = "openai_chat"
base_url = "{url}/v1"
"""
BODY = b'{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"Hello"}]}'


async def scraped(server: Front) -> dict[str, float]:
    """Samples by name, those of one name together; histograms by their count."""
    answer = await server.request("GET", "/metrics")
    assert answer.status == 200
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            name = sample.name.removeprefix(PREFIX)
            found[name] = found.get(name, 0.0) + sample.value
    return found


async def test_metrics_are_in_prometheus_text_format() -> None:
    """The answer is of the text format's type, and each metric has its prefix, its help and its type."""
    async with front() as server:
        answer = await server.request("GET", "/metrics")
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert [family.name for family in families] == [PREFIX + one.name.removesuffix("_total") for one in FAMILIES]
    assert [(family.type, family.documentation) for family in families] == [(one.kind, one.help) for one in FAMILIES]


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"x-api-key": "wrong"}, 401), (KEY, 200), ({"authorization": "Bearer client-key"}, 200)],
    ids=["none", "wrong", "x_api_key", "bearer"],
)
async def test_metrics_need_a_client_key_where_there_are_any(headers: dict[str, str], status: int) -> None:
    """Scrapers present a client key like everybody else."""
    async with front(client_keys=(ClientKey(secret=Secret("client-key")),)) as server:
        assert (await server.request("GET", "/metrics", headers)).status == status


async def test_metrics_are_not_for_other_machines_without_a_key() -> None:
    """Without client keys whoever comes through another server gets a 401, and this machine an answer."""
    async with front() as server:
        away = await server.request("GET", "/metrics", {"x-forwarded-for": "192.0.2.1"})
        assert (await server.request("GET", "/metrics")).status == 200
    assert away.error == (401, "authentication_error")


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}]
)
async def test_metrics_are_not_for_web_pages(headers: dict[str, str]) -> None:
    """Foreign host names and origins are refused before anything else."""
    async with front() as server:
        assert (await server.request("GET", "/metrics", headers)).status == 403


async def test_overload_can_be_watched() -> None:
    """A server that lets nobody in tells its metrics nevertheless."""
    async with front(limits=Limits(max_memory_bytes=1)) as server:
        async with asyncio.timeout(5):
            while (await server.post()).status != 529:
                pass
        await scraped(server)


async def test_refusals_name_what_there_was_no_room_in() -> None:
    """The record of a refused request says in a word what was full."""
    async with front(FakeGateway(), limits=Limits(max_running=0, max_queued=0), timeouts=Timeouts()) as server:
        await server.post()
        record = server.gateway.exchanges[0]
    assert (record.status, record.refusal) == (529, "full")


async def test_every_worker_tells_the_totals_of_all(tmp_path: Path) -> None:
    """Whichever of three workers is asked, and at once, it counts what all have answered."""
    async with ScriptedUpstream(Conversation()) as upstream:
        (tmp_path / "llm-to-anthropic.toml").write_text(CONFIGURATION.format(url=upstream.url))
        async with running_proxy("--workers", "3", cwd=tmp_path) as proxy:
            server = Front(proxy.url, FakeGateway())
            for number in range(1, REQUESTS + 1):
                assert (await server.request("POST", "/v1/messages", {}, BODY)).status == 200
                async with asyncio.timeout(5):  # a request is counted once it is answered
                    while (found := await scraped(server)).get("requests_total", 0) < number:
                        pass
                assert (found["requests_total"], found["request_duration_seconds_count"]) == (number, number)
    assert found["tokens_total"] > 0
    assert found["build_info"] == 1
