"""A provider that hangs: it may not take the places of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llm_to_anthropic.errors import UpstreamFull
from llm_to_anthropic.gateway.attempts import Attempts
from llm_to_anthropic.gateway.lanes import Lane
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Limits, Settings
from tests.gateway.pacing import FakePace, alone, provider, work

PLACES = 8
ROOM = 6
"""Three quarters of the places."""


class Hanging:
    """Requests to the provider `slow` hang until they may go on; `quick` answers at once."""

    def __init__(self, *names: str) -> None:
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        providers = {name: provider(name, "http://127.0.0.1:1") for name in names}
        aliases = {
            "slow": ("slow/a",),
            "other": ("slow/b",),
            "quick": (f"{names[-1]}/a",),
            "both": ("slow/a", "quick/a"),
        }
        self._settings = Settings(providers=providers, aliases=aliases, limits=Limits(max_running=PLACES))
        self._attempts: Attempts = alone(FakePace(), settings=self._settings, model="slow")[0]

    async def ask(self, model: str) -> None:
        targets: tuple[Target, ...] = Router(self._settings).resolve(model).targets
        await self._attempts.run(work(), targets, self._attempt)

    async def _attempt(self, _work: Work, lane: Lane) -> None:
        name = lane.target.provider.name
        self.asked.append(name)
        if name == "slow":
            await self.go_on.wait()


@asynccontextmanager
async def hanging(*names: str, count: int = ROOM) -> AsyncIterator[Hanging]:
    """As many requests hang as a provider may have."""
    providers = Hanging(*names)
    asking = [asyncio.create_task(providers.ask("slow")) for _ in range(count)]
    while len(providers.asked) < count:  # noqa: ASYNC110  one turn of the loop begins them all
        await asyncio.sleep(0)
    yield providers
    providers.go_on.set()
    await asyncio.gather(*asking)


async def test_a_provider_that_hangs_leaves_places_for_the_others() -> None:
    """Of one of several providers three quarters of the places may run; more are refused, those of others are not."""
    async with hanging("slow", "quick") as providers:
        for model in ("slow", "other"):
            with pytest.raises(UpstreamFull, match=r"provider slow has 6 requests running.*max_running") as refused:
                await providers.ask(model)
            assert (refused.value.status, refused.value.headers) == (529, {"retry-after": "2"})
            assert refused.value.refusal == "provider_limit"
        await providers.ask("quick")
        assert providers.asked[ROOM:] == ["quick"]


async def test_a_full_provider_is_asked_again_once_it_has_room() -> None:
    """To be full is no failure: the circuit stays closed, however many were refused."""
    async with hanging("slow", "quick") as providers:
        for _ in range(20):
            with pytest.raises(UpstreamFull):
                await providers.ask("slow")
        providers.go_on.set()
        await asyncio.sleep(0)
        await providers.ask("slow")
        assert providers.asked[ROOM:] == ["slow"]


async def test_a_full_provider_is_passed_over() -> None:
    """Where there is another target a request goes there at once."""
    async with hanging("slow", "quick") as providers:
        await providers.ask("both")
        assert providers.asked[ROOM:] == ["quick"]


async def test_the_only_provider_may_have_all_places() -> None:
    """Where there is nobody to leave room for none is left."""
    async with hanging("slow", count=PLACES) as providers:
        assert providers.asked == ["slow"] * PLACES
