"""Fixtures of many tests: the scripted upstream, and the watch for what tests leave open."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from llm_to_anthropic.scripted import Script, ScriptedUpstream
from tests.configuring import Place

pytest_plugins = ["tests.leaks"]

# By default Hypothesis judges each example by the clock on the wall, which a busy machine holds up. What is to be quick
# has a test that says so, and judges that by the processor's clock.
settings.register_profile("unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def script() -> Script:
    """The answers of `upstream`, for the test to push."""
    return Script()


@pytest.fixture
async def upstream(script: Script) -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream on loopback that plays `script`."""
    async with ScriptedUpstream(script) as running:
        yield running


@pytest.fixture
async def conversation() -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream on loopback that holds a conversation."""
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def hangups() -> None:
    """Servers that tests start hear of a hang-up also where the tests themselves run under nohup."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A directory to configure in."""
    return Place(tmp_path)
