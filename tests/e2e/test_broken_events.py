"""A stream that breaks at any of its events, in any way, raises in the official SDK: it never just stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import get_args

import anthropic
import pytest

from llm_to_anthropic.http.server import running
from llm_to_anthropic.providers.provider import Credential, Protocol, Provider, Secret
from llm_to_anthropic.scripted import Line, ScriptedUpstream, ToolCall
from llm_to_anthropic.settings import Retries, Settings
from llm_to_anthropic.translators.registry import TRANSLATORS
from verification.behaviours import PROTOCOLS, Behaviours
from verification.judge import Verdict, by_the_sdk

LINES = {
    "text": Line(text="one two three four"),
    "thinking": Line(reasoning="I think a while", text="and say it"),
    "calls": Line(text="Let me see.", calls=(ToolCall("look", '{"at":"this"}'), ToolCall("find", "{}", "call_2"))),
}
FAULTS = ("end_after", "cut_after", "rst_after", "bad_json_after", "bad_chunk_after", "err_after")
BASE_PATHS = {"openai_chat": "/v1", "openai_responses": "/v1", "gemini": "/v1beta", "anthropic": ""}
SPOKEN: list[Protocol] = [
    name for name in get_args(Protocol) if name in PROTOCOLS and (name in TRANSLATORS or name == "anthropic")
]
ENDS = {"openai_chat": b'"finish_reason":"', "gemini": b'"finishReason":"'}
"""With the event that holds this nothing of the message is missing any more, whatever comes after it."""
WITHIN_S = 10.0


def complete_after(protocol: str, line: Line) -> int:
    """How many events make the whole message."""
    events = PROTOCOLS[protocol].events(line, "m")
    end = ENDS.get(protocol)
    return next((at + 1 for at, event in enumerate(events) if end and end in event), len(events))


@pytest.fixture(params=LINES)
def line(request: pytest.FixtureRequest) -> Line:
    return LINES[request.param]


@pytest.fixture
async def client(line: Line) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The official SDK before a proxy with one provider for each protocol."""
    async with ScriptedUpstream(Behaviours(line)) as upstream:
        key = Credential(key=Secret("test-key"), variable="KEY")
        providers: dict[str, Provider] = {
            name: Provider(name=name, protocol=name, base_url=upstream.url + BASE_PATHS[name], credential=key)
            for name in SPOKEN
        }
        settings = Settings(host="127.0.0.1", port=0, providers=providers, aliases={}, retries=Retries(max_retries=0))
        async with (
            running(settings) as url,
            anthropic.AsyncAnthropic(base_url=url, api_key="client-key", max_retries=0) as sdk,
        ):
            yield sdk


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("protocol", SPOKEN)
async def test_break_at_any_event_raises(
    client: anthropic.AsyncAnthropic, line: Line, protocol: str, fault: str
) -> None:
    """Before the message is complete the SDK raises in every case; after it, it may have the whole message."""
    events = len(PROTOCOLS[protocol].events(line, "m"))

    async def outcome(after: int) -> Verdict:
        model = f"{protocol}/{fault}_{after}"
        return await by_the_sdk(client, model, streamed=True, lines=(line,), within_s=WITHIN_S)

    verdicts = await asyncio.gather(*map(outcome, range(events)))
    complete = complete_after(protocol, line)
    assert [(at, verdict) for at, verdict in enumerate(verdicts) if verdict.outcome == "bad"] == []
    assert [at for at in range(complete) if verdicts[at].outcome != "error"] == []
