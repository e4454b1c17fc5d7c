"""OpenAI's two APIs and Azure's addresses behind the gateway: where requests arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Credential, Provider, Secret
from llm_to_anthropic.scripted import Conversation, ScriptedUpstream
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.upstream import Upstream
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to

SEARCH = {"type": "web_search_20250305", "name": "web_search"}
KEY = Credential(key=Secret("test-key"), variable="TEST_KEY")


@asynccontextmanager
async def gateway_to(provider: Provider) -> AsyncIterator[Gateway]:
    settings = Settings(providers={provider.name: provider}, aliases={})
    running = Gateway(settings, Upstream(settings.timeouts, environ={}), [])
    try:
        yield running
    finally:
        await running.close()


@pytest.fixture
async def openai(conversation: ScriptedUpstream) -> AsyncIterator[Gateway]:
    """A gateway to an account that speaks both APIs."""
    provider = Provider(
        name="openai",
        protocol="openai",
        base_url=f"{conversation.url}/v1",
        credential=KEY,
        quirks=(("count_tokens", True), ("hosted", ("web_search",))),
    )
    async with gateway_to(provider) as running:
        yield running


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("model", "tools", "path"),
    [
        ("gpt-4.1", [], "/v1/chat/completions"),
        ("gpt-5", [], "/v1/responses"),
        ("gpt-4.1", [SEARCH], "/v1/responses"),
        ("gpt-4o-search-preview", [SEARCH], "/v1/chat/completions"),
    ],
    ids=["by-model", "by-model-too", "by-tools", "nowhere-else-to-go"],
)
async def test_request_arrives_at_the_api_that_serves_it(
    openai: Gateway, conversation: ScriptedUpstream, model: str, tools: list[object], path: str, *, stream: bool
) -> None:
    """One account, and each request goes by the API that serves its model and its tools."""
    reply = await reply_to(openai, call(ask(f"openai/{model}", tools=tools, stream=stream)))
    assert (reply.status, [request.path for request in conversation.requests]) == (200, [path])
    assert reply.headers[b"x-upstream-model"] == model.encode()


async def test_tokens_are_counted_by_the_same_api(openai: Gateway, conversation: ScriptedUpstream) -> None:
    """What will be asked by Responses is counted there."""
    fields = ask("openai/gpt-4.1", tools=[SEARCH])
    await openai.count_tokens(call({name: fields[name] for name in ("model", "messages", "tools")}), MemoryReply())
    assert [request.path for request in conversation.requests] == ["/v1/responses/input_tokens"]


async def test_deployment_and_version_arrive() -> None:
    """At an Azure address with deployments the model goes into the path, and the version into the query."""
    async with ScriptedUpstream(Conversation()) as upstream:
        provider = Provider(
            name="azure",
            protocol="openai_chat",
            base_url=f"{upstream.url}/openai/deployments/{{model}}/v1",
            query="api-version=2024-10-21",
            credential=KEY,
            preset="azure-openai",
            backend="azure",
        )
        async with gateway_to(provider) as running:
            reply = await reply_to(running, call(ask("azure/my prod")))
    (request,) = upstream.requests
    assert reply.status == 200
    assert request.path == "/openai/deployments/my%20prod/v1/chat/completions"
    assert (request.query, request.headers["api-key"]) == ("api-version=2024-10-21", "test-key")
