"""The official SDK, with the retries that it has by default, against upstreams that fail."""

from __future__ import annotations

import anthropic
import pytest

from llm_to_anthropic.http.server import running
from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import Script, ScriptedUpstream
from llm_to_anthropic.settings import Settings
from tests.gateway.answers import bad
from tests.gateway.conftest import Records
from tests.gateway.pacing import FakePace, provider, routed


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
