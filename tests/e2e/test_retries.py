"""The official SDK, with the retries that it has by default, against upstreams that fail."""

from __future__ import annotations

import asyncio
import contextlib

import anthropic
import pytest

from llm_to_anthropic.http.server import running
from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import Script, ScriptedUpstream
from llm_to_anthropic.settings import Retries, Settings
from tests.gateway.answers import bad, good
from tests.gateway.conftest import Records
from tests.gateway.pacing import FakePace, provider, routed

STUBBORN = Retries(max_retries=6, max_share=1.0)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.mark.parametrize("protocol", ["openai_chat", "gemini", "anthropic"])
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
async def test_retries_do_not_multiply(
    upstream: ScriptedUpstream, script: Script, protocol: Protocol, streaming: bool
) -> None:
    """A dead upstream is asked three times, not nine: the SDK learns that we have tried and makes one attempt."""
    script.push(*[bad(protocol, 529, "Overloaded")] * 9)
    records = Records()
    settings = Settings(host="127.0.0.1", port=0, providers={}, aliases={})
    async with (
        routed({"m": provider("one", upstream.url, protocol)}, FakePace(), records) as gateway,
        running(settings, gateway) as url,
        anthropic.AsyncAnthropic(base_url=url, api_key="any") as sdk,
    ):
        with pytest.raises(anthropic.APIStatusError) as caught:
            await sdk.messages.create(
                model="mine", max_tokens=8, messages=[{"role": "user", "content": "hi"}], stream=streaming
            )
    assert caught.value.status_code >= 500
    assert (len(records.exchanges), len(upstream.requests)) == (1, 3)


async def test_a_flaky_upstream_is_hardly_noticed_by_clients() -> None:
    """Of 2000 requests by the SDK to the one upstream there is, of which 30 % are answered 503, 99.9 % succeed."""
    chance, records = FakePace(seed=5).pace().random, Records()
    pace = FakePace()
    pace.moves = False  # twenty pause at once
    flaky = Script(
        otherwise=lambda _: bad("openai_chat", 503) if chance() < 0.3 else good("openai_chat", streamed=False)
    )
    settings = Settings(host="127.0.0.1", port=0, providers={}, aliases={})
    gate, answered = asyncio.Semaphore(20), 0
    async with (
        ScriptedUpstream(flaky) as upstream,
        routed({"m": provider("one", upstream.url)}, pace, records, retries=STUBBORN) as gateway,
        running(settings, gateway) as url,
        anthropic.AsyncAnthropic(base_url=url, api_key="any") as sdk,
    ):

        async def ask() -> None:
            nonlocal answered
            async with gate:
                with contextlib.suppress(anthropic.APIStatusError):
                    await sdk.messages.create(model="mine", max_tokens=8, messages=[{"role": "user", "content": "hi"}])
                    answered += 1

        await asyncio.gather(*(ask() for _ in range(2000)))
        assert answered >= 1998
        assert len(upstream.requests) <= 2000 * 2
        # The SDK asks again for the few that fail.
        assert len(records.exchanges) <= 2010
