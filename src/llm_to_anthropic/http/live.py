"""The application that serves now. A reload puts another in its place, and requests end where they began."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

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
        self.refresh: Callable[[], None] | None = None
        """Asked before each request, where keys are in files: has one of them changed?"""
        self._look: Callable[[], None] | None = None

    def refresh_by(self, look: Callable[[], None]) -> None:
        """From here on `look` puts other settings in place before a request, if there is reason to."""
        self._look = look
        self.refresh = look if self.settings.key_files else None

    def replace(self, settings: Settings, gateway: Gateway) -> None:
        """From here on requests are served by these settings; those that run keep theirs to their end."""
        former = self.app
        self.settings = settings
        self.refresh = self._look if settings.key_files else None
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
