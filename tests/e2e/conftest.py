"""A whole proxy on loopback, in front of a scripted upstream, behind the official SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import pytest

from llm_to_anthropic.http.server import running
from llm_to_anthropic.providers.provider import Credential, Provider, Secret
from llm_to_anthropic.scripted import Conversation, Script, ScriptedUpstream
from llm_to_anthropic.settings import Retries, Settings


def settings_for(upstream: ScriptedUpstream) -> Settings:
    """OpenAI's and Anthropic's protocols, all served by the same scripted upstream."""
    key = Credential(key=Secret("test-key"), variable="OPENAI_API_KEY")
    openai = Provider(
        name="openai", protocol="openai_chat", base_url=f"{upstream.url}/v1", credential=key, models=("gpt-4.1",)
    )
    claude = Provider(
        name="anthropic", protocol="anthropic", base_url=upstream.url, credential=key, models=("claude-sonnet-5-5",)
    )
    responses = Provider(
        name="responses",
        protocol="openai_responses",
        base_url=f"{upstream.url}/v1",
        credential=key,
        models=("gpt-5.6-sol",),
        quirks=(("count_tokens", True),),
    )
    return Settings(
        host="127.0.0.1",
        port=0,
        providers={"openai": openai, "responses": responses, "anthropic": claude},
        aliases={},
        retries=Retries(max_retries=0),
    )


@pytest.fixture
def script() -> Script:
    """Answers for the test to push; after them the upstream holds a conversation."""
    return Script(otherwise=Conversation())


@pytest.fixture
async def base_url(upstream: ScriptedUpstream) -> AsyncIterator[str]:
    """The proxy's base URL."""
    async with running(settings_for(upstream)) as url:
        yield url


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The official SDK, which does not retry."""
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key="client-key", max_retries=0) as sdk:
        yield sdk
