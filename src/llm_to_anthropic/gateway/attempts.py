"""The only retry loop: attempts at the targets of a route until one answers, before anything is sent to the client.

It decides where and when; what an attempt is, it is given. After the commit point there is no second attempt.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from llm_to_anthropic.errors import ApiError, ClientError, UpstreamFull, forget_way
from llm_to_anthropic.gateway.backoff import MAX_CLIENT_WAIT_S, Pace, delay_s
from llm_to_anthropic.gateway.judgement import Judgement, exceeded_window, judge
from llm_to_anthropic.gateway.lanes import Lane, Lanes
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.providers.provider import Target, same_target
from llm_to_anthropic.routing import usable
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.rate_limits import retry_after_s

Attempt = Callable[[Work, Lane], Awaitable[None]]
"""Asks one lane and answers the client. Raises ApiError only before anything was sent."""
Alarm = Callable[[str], None]
"""Is told what only a person can mend."""

PROVIDER_SHARE = 0.75
"""The share of a process's places that one of several providers may take."""


class _Trouble:
    """What a request has been through since its first failure."""

    __slots__ = (
        "error",
        "judgement",
        "left",
        "retries",
        "spared",
        "started",
        "target",
        "told_to_wait",
        "wait_s",
        "waited_s",
    )

    def __init__(self, started: float, left: list[Target], error: ApiError) -> None:
        self.started = started
        self.error = error
        """The last one of an upstream."""
        self.target: Target | None = None
        """Whose it is."""
        self.left = left
        """Targets that were not asked yet."""
        self.retries = 0
        """At the present target."""
        self.judgement = Judgement()
        self.wait_s: float | None = None
        """What the last error asks for."""
        self.waited_s = 0.0
        """What earlier ones asked for and got."""
        self.told_to_wait = False
        """It asks for a longer wait than is possible here."""
        self.spared = False
        """Retries were due, but the upstream has had its share of them."""


class Attempts:
    """Runs attempts. One per server process: it knows what is broken and whose turn it is."""

    def __init__(self, settings: Settings, pace: Pace, alarm: Alarm) -> None:
        self._retries = settings.retries
        self._timeouts = settings.timeouts
        self._pace = pace
        self._alarm = alarm
        self._lanes = Lanes(pace.random, settings.retries)
        self.open_circuits = self._lanes.open_circuits
        self._room = _room(settings)

    async def run(self, work: Work, targets: Sequence[Target], attempt: Attempt) -> None:
        """Answers the client from the first target that can. Raises the last attempt's ApiError where none can."""
        started = self._pace.clock()
        lane = self._lanes.first(targets, started)
        lane.budget.request(started)
        progress = work.progress
        target = progress.target = lane.target
        if target is not targets[0]:
            progress.fallback = not same_target(target, targets[0])
        trouble: _Trouble | None = None
        while True:
            generation, load = lane.circuit.generation, lane.load
            load.running += 1
            try:
                if load.running > self._room:
                    self._refuse(lane)
                await attempt(work, lane)
            except ApiError as error:
                trouble = trouble or _Trouble(started, _without(targets, lane.target), error)
                self._learn(work, lane, generation, error, trouble)
                following = await self._next(work, lane, error, trouble)
                if following is None:
                    progress.target = trouble.target
                    raise self._told(trouble) from None
                forget_way(error)  # it would stay as long as the next answer runs
                lane = following
            except BaseException:
                lane.circuit.abandoned(generation)
                raise
            else:
                if work.relay is None and progress.attempts:
                    lane.circuit.succeeded(generation, self._pace.clock())
                else:
                    self._note_end(work, lane, generation)
                return
            finally:
                load.running -= 1

    def steady(self, targets: Sequence[Target]) -> Lane:
        """Where a request goes that gets one attempt, and is not worth more: a count, for instance."""
        return self._lanes.steady(targets, self._pace.clock())

    def _refuse(self, lane: Lane) -> NoReturn:
        name = lane.target.provider.name
        which = f"provider {name} has {self._room} requests running, which leaves room for the other providers"
        raise UpstreamFull(f"{which} (three quarters of limits.max_running); try again in 2 s")

    def _note_end(self, work: Work, lane: Lane, generation: int) -> None:
        """The client has its answer; it may have ended in an `error` event."""
        broken = work.relay.failure if work.relay is not None else None
        if broken is not None:
            self._weigh(lane, generation, broken, judge(broken))
        elif work.progress.attempts:
            lane.circuit.succeeded(generation, self._pace.clock())
        else:
            lane.circuit.abandoned(generation)

    def _weigh(self, lane: Lane, generation: int, error: ApiError, judgement: Judgement) -> float | None:
        """What an error means for whoever comes after. Gives the seconds that the upstream asks for."""
        wait_s = retry_after_s(error.headers, "", self._pace.now())
        now = self._pace.clock()
        if judgement.breaks:
            lane.circuit.failed(generation, now)
        else:
            lane.circuit.abandoned(generation)
        if judgement.scope is not None and lane.cool(judgement.scope, now, wait_s):
            self._alarm(lane.out_of_use(error.status))
        return wait_s

    def _learn(self, work: Work, lane: Lane, generation: int, error: ApiError, trouble: _Trouble) -> None:
        if isinstance(error, ClientError) and trouble.error is not error:
            # What one target cannot be asked at all is no news to a client that another one has failed.
            lane.circuit.abandoned(generation)
            return
        trouble.error, trouble.target = error, work.progress.target
        trouble.judgement = judge(error, answering=work.progress.answering and not work.progress.stream)
        trouble.wait_s = self._weigh(lane, generation, error, trouble.judgement)
        trouble.told_to_wait = trouble.spared = False

    async def _next(self, work: Work, lane: Lane, error: ApiError, trouble: _Trouble) -> Lane | None:
        """Where to try next, once its time has come; None: nowhere."""
        window = exceeded_window(error)
        following: Lane | None = None
        if error is not trouble.error:
            following = self._fall_back(trouble)
        elif window is not None:
            trouble.left = _larger(trouble.left, lane.target.limits.context_window or window)
            following = self._fall_back(trouble)
        elif trouble.judgement.elsewhere and not (trouble.judgement.of_key and lane.clients_key):
            following = await self._retry(lane, trouble, stream=work.progress.stream) or self._fall_back(trouble)
        if following is not None:
            work.progress.start_over(following.target, error)
        return following

    async def _retry(self, lane: Lane, trouble: _Trouble, *, stream: bool) -> Lane | None:
        """The same target once more: by another key at once where the key was the matter, else after a pause."""
        now = self._pace.clock()
        if trouble.retries >= self._retries.max_retries:
            return None
        if not lane.budget.left(now):
            trouble.spared = not trouble.retries
            return None
        other = self._lanes.open_one((lane.target,), now, but=lane) if trouble.judgement.scope else None
        pause_s = 0.0 if other is not None else self._pause_s(lane, trouble, now, stream=stream)
        if pause_s is None:
            return None
        lane.budget.retry(now)
        trouble.retries += 1
        if other is not None:
            return other
        await self._pace.sleep(pause_s)
        lane.circuit.force()
        return lane

    def _pause_s(self, lane: Lane, trouble: _Trouble, now: float, *, stream: bool) -> float | None:
        """How long to wait before the same lane; None where that makes no sense, or would take too long.

        A streaming client hears nothing meanwhile, so it must be over before it would be answered anyway.
        """
        if not trouble.judgement.again or (lane.circuit.open and self._lanes.is_ready(trouble.left, now)):
            return None
        limit_s = self._timeouts.commit_after_s if stream else self._timeouts.total_s
        left_s = max(0.0, trouble.started + limit_s - now)
        jitter_s = delay_s(trouble.retries, self._pace.random)
        if trouble.wait_s is None:
            return min(jitter_s, left_s / 2)  # the rest is for the attempt, and for the next target after it
        if trouble.wait_s > min(self._retries.max_wait_s - trouble.waited_s, left_s):
            trouble.told_to_wait = True
            return None
        trouble.waited_s += trouble.wait_s
        # Never sooner than asked for.
        return max(trouble.wait_s, min(trouble.wait_s + jitter_s, left_s))

    def _fall_back(self, trouble: _Trouble) -> Lane | None:
        now = self._pace.clock()
        lane = self._lanes.open_one(trouble.left, now)
        if lane is not None:
            lane.budget.request(now)
            trouble.left = _without(trouble.left, lane.target)
            trouble.retries = 0
        return lane

    def _told(self, trouble: _Trouble) -> ApiError:
        """The error for the client; keeps it from multiplying our retries, unless it can wait for what we could not.

        Where we made none there is nothing to multiply.
        """
        if trouble.judgement.again and self._retries.max_retries and not trouble.spared:
            wait_s = trouble.wait_s
            useful = trouble.told_to_wait and wait_s is not None and wait_s <= MAX_CLIENT_WAIT_S
            trouble.error.headers["x-should-retry"] = "true" if useful else "false"
        return trouble.error


def _room(settings: Settings) -> int:
    """How many requests of one provider run at once: one that hangs must not take the places of the others."""
    places = settings.limits.max_running
    several = sum(usable(provider) for provider in settings.providers.values()) > 1
    return math.ceil(places * PROVIDER_SHARE) if several else places


def _without(targets: Sequence[Target], asked: Target) -> list[Target]:
    return [target for target in targets if not same_target(target, asked)]


def _larger(targets: Sequence[Target], window: int) -> list[Target]:
    """The targets that are known to take more input tokens."""
    return [target for target in targets if (target.limits.context_window or 0) > window]
