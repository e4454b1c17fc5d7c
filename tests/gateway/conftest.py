"""A gateway on a scripted upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest

from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Credential, Provider, Secret
from llm_to_anthropic.scripted import Script, ScriptedUpstream
from llm_to_anthropic.settings import Retries, Settings, Timeouts
from llm_to_anthropic.upstream import Upstream


class Records:
    """An observer that keeps what it sees."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def record(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)


def providers(url: str) -> Mapping[str, Provider]:
    credential = Credential(key=Secret("upstream-key"), variable="TEST_KEY")
    return {
        "openai": Provider(name="openai", protocol="openai_chat", base_url=url + "/v1", credential=credential),
        "responses": Provider(
            name="responses",
            protocol="openai_responses",
            base_url=url + "/v1",
            credential=credential,
            quirks=(("count_tokens", True),),
        ),
        "gemini": Provider(name="gemini", protocol="gemini", base_url=url + "/v1beta", credential=credential),
        "anthropic": Provider(name="anthropic", protocol="anthropic", base_url=url, credential=credential),
    }


@pytest.fixture
def timeouts() -> Timeouts:
    """Time limits of the gateway; a test may override this fixture."""
    return Timeouts(first_event_s=5.0, idle_s=5.0, total_s=20.0)


@pytest.fixture
def retries() -> Retries:
    """What is tried again: nothing, unless a test is about that."""
    return Retries(max_retries=0)


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
async def gateway(
    upstream: ScriptedUpstream, timeouts: Timeouts, retries: Retries, records: Records
) -> AsyncIterator[Gateway]:
    settings = Settings(
        providers=providers(upstream.url),
        aliases={"claude-mine": ("anthropic/claude-real",)},
        big_model="gpt-4.1",
        small_model="gpt-4.1-mini",
        timeouts=timeouts,
        retries=retries,
    )
    client = Upstream(timeouts, environ={})
    running = Gateway(settings, client, [records])
    yield running
    await running.close()


@pytest.fixture
def second_script() -> Script:
    return Script()


@pytest.fixture
async def second(second_script: Script) -> AsyncIterator[ScriptedUpstream]:
    """The upstream of the second target."""
    async with ScriptedUpstream(second_script) as running:
        yield running


def with_timeouts(base: Timeouts, **changes: float) -> Timeouts:
    return msgspec.structs.replace(base, **changes)
