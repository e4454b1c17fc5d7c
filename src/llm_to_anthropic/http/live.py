"""The application that serves now. A reload puts another in its place, and requests end where they began."""

from __future__ import annotations

import asyncio

from llm_to_anthropic.http.app import App
from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.settings import Settings


class Live:
    """One per server process. Whoever begins a request asks for `app` once, and stays with it."""

    def __init__(self, settings: Settings, gateway: Gateway, standing: Standing) -> None:
        self.settings = settings
        self.standing = standing
        self.app = App(settings, gateway, standing)
        self._former: dict[App, asyncio.Task[None]] = {}
        """Applications that still have requests."""

    def replace(self, settings: Settings, gateway: Gateway) -> None:
        """From here on requests are served by these settings; those that run keep theirs to their end."""
        former = self.app
        self.settings = settings
        self.standing.adopt(settings)
        self.app = App(settings, gateway, self.standing)
        retiring = asyncio.get_running_loop().create_task(former.retire())
        self._former[former] = retiring
        retiring.add_done_callback(lambda _: self._former.pop(former))

    async def close(self) -> None:
        """Ends what still runs, of every configuration."""
        apps, retiring = [*self._former, self.app], [*self._former.values()]
        for task in retiring:
            task.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)
        await asyncio.gather(*(app.gateway.close() for app in apps))
