"""Fixtures of many tests: the scripted upstream, and the watch for what tests leave open."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from llm_to_anthropic.scripted import Script, ScriptedUpstream
from tests.configuring import Place

pytest_plugins = ["tests.leaks"]


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
