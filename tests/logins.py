"""Logins in the hands of a test: a clock to move, and credentials that end with it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from llm_to_anthropic.credentials import Credentials
from llm_to_anthropic.providers.provider import Provider


class MovedClock:
    """The real time, moved by the test."""

    def __init__(self) -> None:
        self.moved_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.moved_s


@asynccontextmanager
async def credentials(provider: Provider, clock: Callable[[], float] = time.time) -> AsyncIterator[Credentials]:
    open_ones = Credentials([provider], clock=clock)
    try:
        yield open_ones
    finally:
        open_ones.close()
