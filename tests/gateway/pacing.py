"""Time that passes only when somebody sleeps, and a gateway whose routes have several targets."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping

import msgspec

from llm_to_anthropic.gateway.attempts import Alarm, Attempts
from llm_to_anthropic.gateway.backoff import Pace
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.providers.provider import Credential, Protocol, Provider, Secret, Target
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Retries, Settings, Timeouts
from llm_to_anthropic.upstream import Upstream
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, call

TIMEOUTS = Timeouts(first_event_s=5.0, idle_s=5.0, total_s=60.0)
RETRIES = Retries()
PATHS: Mapping[Protocol, str] = {"openai_chat": "/v1", "openai_responses": "/v1", "gemini": "/v1beta", "anthropic": ""}


class FakePace:
    """A clock that sleeping moves on, and seeded chance."""

    def __init__(self, seed: int = 1) -> None:
        self.at = 1000.0
        self.jump_s = 0.0
        """The wall clock was set to another time."""
        self.slept: list[float] = []
        self.moves = True
        """Sleeping takes time. Else the sleepers of many requests at once are played one after another."""
        self._random = random.Random(seed)  # noqa: S311  chance, not secrets

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds if self.moves else 0.0
        await asyncio.sleep(0)

    def pace(self) -> Pace:
        return Pace(
            clock=lambda: self.at, now=lambda: self.at + self.jump_s, sleep=self.sleep, random=self._random.random
        )


def provider(name: str, url: str, protocol: Protocol = "openai_chat", keys: int = 1) -> Provider:
    first, *more = [Secret(f"{name}-key-{number}") for number in range(keys)]
    credential = Credential(key=first, more_keys=tuple(more), variable=f"{name.upper()}_KEY")
    return Provider(name=name, protocol=protocol, base_url=url + PATHS[protocol], credential=credential)


@contextlib.asynccontextmanager
async def routed(
    targets: Mapping[str, Provider],
    pace: FakePace,
    records: Records,
    *,
    retries: Retries = RETRIES,
    timeouts: Timeouts = TIMEOUTS,
    alarm: Alarm = lambda _: None,
) -> AsyncIterator[Gateway]:
    """A gateway that answers for the model `mine` from targets (model -> provider), in their order."""
    settings = Settings(
        providers={"openai": provider("openai", "http://127.0.0.1:1")} | {one.name: one for one in targets.values()},
        aliases={"mine": tuple(f"{one.name}/{model}" for model, one in targets.items())},
        timeouts=timeouts,
        retries=retries,
    )
    gateway = Gateway(settings, Upstream(timeouts, environ={}), [records], pace=pace.pace(), alarm=alarm)
    try:
        yield gateway
    finally:
        await gateway.close()


def alone(
    pace: FakePace,
    *names: str,
    settings: Settings | None = None,
    retries: Retries = RETRIES,
    model: str = "mine",
    alarm: Alarm = lambda _: None,
) -> tuple[Attempts, tuple[Target, ...]]:
    """The retry loop by itself, and the targets `provider/model` to run it on."""
    targets = {name: provider(name.partition("/")[0], "http://127.0.0.1:1") for name in names}
    known = {one.name: one for one in targets.values()}
    settings = settings or Settings(providers=known, aliases={"mine": names}, retries=retries)
    return Attempts(settings, pace.pace(), alarm), Router(settings).resolve(model).targets


def work(*, stream: bool = False) -> Work:
    """A request that nobody leaves."""
    task = asyncio.current_task()
    assert task is not None
    made = Work(call(), MemoryReply(), task)
    made.reply.when_left(None)
    made.progress.stream = stream
    return made


def impatient(**changes: float) -> Timeouts:
    return msgspec.structs.replace(TIMEOUTS, **changes)
