"""Who may run: so many requests at once, a short line for the next ones, and an honest refusal for the rest.

Where there is room this costs a comparison of two numbers. The line is fair: places go round the keys that wait, and
whoever waits in large numbers makes room for those who do not.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

from llm_to_anthropic.errors import ApiError, Refusal
from llm_to_anthropic.gateway.backoff import MAX_CLIENT_WAIT_S
from llm_to_anthropic.gateway.call import WhenLeft
from llm_to_anthropic.settings import Limits


class Admission:
    """The places of one server process. All is done in the loop's thread."""

    def __init__(self, limits: Limits, queue_s: float) -> None:
        self.running = 0
        self.queued = 0
        self.refused = 0
        """Requests refused so far."""
        self._lines: dict[bytes, deque[asyncio.Future[bool]]] = {}
        """Who waits, by key; the key whose turn it is comes first."""
        self._held: dict[bytes, int] = {}
        """Places by key, where keys have a limit."""
        self._closed = ""
        """Why nobody is let in."""
        self._refusal: Refusal = ""
        """The same in a word."""
        self._next_retry_s = 0
        self.adopt(limits, queue_s)

    def adopt(self, limits: Limits, queue_s: float) -> None:
        """Takes other limits; what runs runs on."""
        self._limits = limits
        self._queue_s = queue_s
        self._set_room()
        while self._serve_next():
            self.running += 1

    def close(self, reason: str, refusal: Refusal) -> None:
        """Refuses everyone, and those who wait. The reason is a part of a sentence: `the proxy is ...`."""
        self._closed, self._refusal = reason, refusal
        self._set_room()
        for line in self._lines.values():
            for turn in line:
                self._refuse(turn, self._overloaded(reason, refusal))

    def open(self) -> None:
        """Lets in again."""
        self._closed = ""
        self._set_room()

    def check_open(self) -> None:
        """Raises ApiError (529) where nobody is let in, for what needs no place."""
        if self._closed:
            raise self._overloaded(self._closed, self._refusal)

    def enter(self) -> bool:
        """Takes a place where one is free and nothing more is to be asked; else `wait` for it."""
        if self.running >= self._room:
            return False
        self.running += 1
        return True

    async def wait(self, key: bytes, when_left: Callable[[WhenLeft], None]) -> bool:
        """Takes a place for a key, now or when it is its turn. False where the client left meanwhile.

        Raises ApiError: 529 where the line is full or too slow, 429 where the key has all places that it may have.
        """
        self.check_open()
        # Where there is room, those in line wait for places of their own keys.
        if key not in self._lines and self._may_run(key):
            self._take(key)
            self.running += 1
            return True
        turn = self._line_up(key)
        when_left(lambda _outcome: _give_up(turn))
        timer = turn.get_loop().call_later(self._queue_s, self._expire, key, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None and turn.result():
                self.leave(key)
            raise
        finally:
            timer.cancel()
            self._step_out(key, turn)

    def leave(self, key: bytes = b"") -> None:
        """Gives a place back. The key is that of `wait`, if that gave the place."""
        if key and self._held.get(key):
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
        self.running -= 1
        if self._lines and self._serve_next():
            self.running += 1

    def _set_room(self) -> None:
        asked = self._closed or self._limits.max_running_per_key
        self._room = 0 if asked else self._limits.max_running

    def _may_run(self, key: bytes) -> bool:
        per_key = self._limits.max_running_per_key
        return self.running < self._limits.max_running and not (per_key and self._held.get(key, 0) >= per_key)

    def _take(self, key: bytes) -> None:
        if self._limits.max_running_per_key:
            self._held[key] = self._held.get(key, 0) + 1

    def _serve_next(self) -> bool:
        """Gives a place to the next in line whose key may have one."""
        for key, line in self._lines.items():
            turn = next((turn for turn in line if not turn.done()), None)
            if turn is None or not self._may_run(key):
                continue
            turn.set_result(True)
            self._take(key)
            # The key goes to the end of the line, with whoever waits for it.
            del self._lines[key]
            self._lines[key] = line
            return True
        return False

    def _line_up(self, key: bytes) -> asyncio.Future[bool]:
        own = self._lines.get(key, ())
        if self.queued >= self._limits.max_queued:
            longest = max(self._lines, key=lambda each: len(self._lines[each]), default=key)
            if not self._lines or len(self._lines[longest]) <= len(own) + 1:
                raise self._full(key)
            turn = self._lines[longest][-1]
            self._refuse(turn, self._full(longest))
            self._step_out(longest, turn)
        self.queued += 1
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(key, deque()).append(turn)
        return turn

    def _step_out(self, key: bytes, turn: asyncio.Future[bool]) -> None:
        line = self._lines.get(key)
        if line is None or turn not in line:
            return
        line.remove(turn)
        self.queued -= 1
        if not line:
            del self._lines[key]

    def _expire(self, key: bytes, turn: asyncio.Future[bool]) -> None:
        self._refuse(turn, self._full(key, f"no place became free within {self._queue_s:g} s (timeouts.queue_s)"))

    def _refuse(self, turn: asyncio.Future[bool], error: ApiError) -> None:
        if not turn.done():
            turn.set_exception(error)

    def _full(self, key: bytes, why: str = "") -> ApiError:
        limits = self._limits
        if limits.max_running_per_key and self._held.get(key, 0) >= limits.max_running_per_key:
            places = f"the client key has {limits.max_running_per_key} requests running, which is its limit"
            return self._error(429, f"{places} (limits.max_running_per_key)", "key_limit")
        why = why or f"{limits.max_queued} more wait (limits.max_queued)"
        places = f"at its limit of {limits.max_running} requests (limits.max_running)"
        return self._overloaded(f"{places}, and {why}", "full")

    def _overloaded(self, why: str, refusal: Refusal) -> ApiError:
        return self._error(529, f"the proxy is {why}", refusal)

    def _error(self, status: int, message: str, refusal: Refusal) -> ApiError:
        self.refused += 1
        # Clients wait exactly as long as they are told: told the same, they would all come back together.
        self._next_retry_s = self._next_retry_s % math.ceil(min(self._queue_s, MAX_CLIENT_WAIT_S)) + 1
        headers = {"retry-after": str(self._next_retry_s)}
        told = f"{message}; try again in {self._next_retry_s} s"
        return ApiError(status, told, headers=headers, refusal=refusal)


def _give_up(turn: asyncio.Future[bool]) -> None:
    if not turn.done():
        turn.set_result(False)
