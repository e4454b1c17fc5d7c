"""The whole proxy in front of an upstream that answers in four protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from llm_to_anthropic.scripted import Script, ScriptedUpstream
from tests.http.fake import Front
from tests.security.four_protocols import greeting, proxied


@pytest.fixture
def script() -> Script:
    """Answers for the test to push; after them the upstream greets."""
    return Script(otherwise=greeting)


@pytest.fixture
async def proxy(upstream: ScriptedUpstream) -> AsyncIterator[Front]:
    """The proxy, whose models are those of `MODELS`."""
    async with proxied(upstream.url) as front:
        yield front
