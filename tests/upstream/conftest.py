"""Every test of the client runs on asyncio's own loop and on uvloop, and must leave nothing open."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.upstream.certificates import Certificates

LoopFactories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


@pytest.hookimpl(tryfirst=True)
def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> LoopFactories:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def open_sockets() -> set[str]:
    """The sockets that this process holds open; empty where the system does not tell."""
    found = set()
    for entry in Path("/proc/self/fd").glob("*"):
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


@pytest.fixture(autouse=True)
def _no_socket_left() -> Iterator[None]:
    before = open_sockets()
    yield
    gc.collect()
    assert open_sockets() <= before, "the test left a socket open"


@pytest.fixture
async def make_upstream() -> AsyncIterator[Callable[..., Upstream]]:
    """Makes clients, whose time limits are short and whose environment is empty unless given."""
    made: list[Upstream] = []

    def make(timeouts: Timeouts | None = None, environ: Mapping[str, str] | None = None) -> Upstream:
        made.append(Upstream(timeouts or Timeouts(), environ=environ))
        return made[-1]

    yield make
    for upstream in made:
        await upstream.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}, "the test left a task running"


@pytest.fixture
def client(make_upstream: Callable[..., Upstream]) -> Upstream:
    """A client with the usual time limits."""
    return make_upstream()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    try:
        return Certificates(tmp_path_factory.mktemp("certificates"))
    except subprocess.CalledProcessError:
        pytest.skip("this openssl is too old to sign certificates in one step")
