"""A circuit that opens when a lane keeps failing, and closes when it answers again."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.gateway.breaker import Circuit
from llm_to_anthropic.gateway.lanes import Lane
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.scripted import Script, ScriptedUpstream, never
from tests.gateway.answers import good
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call
from tests.gateway.pacing import FakePace, alone, impatient, provider, routed, work


def circuit(chance: float = 0.0) -> Circuit:
    return Circuit(lambda: chance)


def fail(one: Circuit, now: float, times: int = 1) -> None:
    for _ in range(times):
        one.failed(one.generation, now)


def reopened(one: Circuit, now: float) -> float:
    """Fails a probe and gives for how long the circuit is open then."""
    assert one.admit(now)
    fail(one, now)
    return one.ready_at - now


def test_five_failures_in_a_row_open_it() -> None:
    """Four are bad luck; the fifth means that something is wrong."""
    one = circuit()
    fail(one, 0.0, times=4)
    assert one.admit(0.0)
    fail(one, 0.0)
    assert not one.admit(4.9)


def test_an_answer_between_them_keeps_it_closed() -> None:
    """Failures count in a row."""
    one = circuit()
    for _ in range(4):
        fail(one, 0.0, times=4)
        one.succeeded(one.generation, 0.0)
        for _ in range(4):
            one.succeeded(one.generation, 0.0)
    assert one.admit(0.0)


def test_half_of_twenty_failures_open_it() -> None:
    """Every other request failing is too much, once 20 have been seen within 10 seconds."""
    one = circuit()
    for _ in range(9):
        one.succeeded(one.generation, 5.0)
        fail(one, 5.0)
    one.succeeded(one.generation, 5.0)
    assert one.admit(5.0)
    fail(one, 5.0)
    assert not one.admit(5.0)


def test_old_outcomes_do_not_count() -> None:
    """What was more than 10 seconds ago says nothing about now."""
    one = circuit()
    for _ in range(9):
        one.succeeded(one.generation, 5.0)
        fail(one, 5.0)
    one.succeeded(one.generation, 15.0)
    fail(one, 15.0)
    assert one.admit(15.0)


def test_each_opening_is_twice_as_long_up_to_five_minutes() -> None:
    """5, 10, 20 ... 300 seconds; an answer begins anew."""
    one = circuit()
    fail(one, 0.0, times=5)
    spans, now = [one.ready_at], one.ready_at
    for _ in range(7):
        spans.append(reopened(one, now))
        now = one.ready_at
    assert spans == [5, 10, 20, 40, 80, 160, 300, 300]
    assert one.admit(now)
    one.succeeded(one.generation, now)
    fail(one, now, times=5)
    assert one.ready_at - now == 5


def test_replicas_come_back_apart() -> None:
    """Chance makes an opening up to a fifth longer."""
    one = circuit(chance=1.0)
    fail(one, 0.0, times=5)
    assert one.ready_at == pytest.approx(6.0)


def test_one_probe_at_a_time() -> None:
    """When the time is over one request goes first; the others follow once it was answered."""
    one = circuit()
    fail(one, 0.0, times=5)
    assert one.admit(5.0)
    assert not one.admit(5.0)
    one.succeeded(one.generation, 6.0)
    assert one.admit(6.0)
    assert one.admit(6.0)


def test_a_probe_that_tells_nothing_is_followed_by_another() -> None:
    """A client that leaves, or asks for nonsense, must not leave the circuit half-open for ever."""
    one = circuit()
    fail(one, 0.0, times=5)
    assert one.admit(5.0)
    one.abandoned(one.generation)
    assert one.admit(5.0)


def test_what_began_before_tells_nothing() -> None:
    """A slow answer to a request of before does not close a circuit that has opened since."""
    one = circuit()
    before = one.generation
    fail(one, 0.0, times=5)
    one.succeeded(before, 1.0)
    assert not one.admit(1.0)


def test_a_forced_request_closes_it_but_does_not_prolong_it() -> None:
    """Where there is no other lane requests go all the same; only their success is news."""
    one = circuit()
    fail(one, 0.0, times=5)
    for _ in range(3):
        one.force()
        fail(one, 1.0)
    assert one.ready_at == 5.0
    one.force()
    one.succeeded(one.generation, 2.0)
    assert one.admit(2.0)


class Breaker(RuleBasedStateMachine):
    """Any course of requests and time, beside a simple model of what is allowed."""

    running = Bundle("running")

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.circuit = circuit(chance=0.5)
        self.in_a_row = 0
        self.closed_until = 0.0
        self.probes: set[int] = set()

    @rule(seconds=st.floats(0, 400))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=running)
    def ask(self) -> int:
        """Admits a request, or says no: its generation, or -1."""
        was_open = self.circuit.open
        admitted = self.circuit.admit(self.now)
        if not was_open:
            assert admitted
        elif admitted:
            assert self.now >= self.closed_until
            assert not self.probes
            self.probes.add(self.circuit.generation)
        return self.circuit.generation if admitted else -1

    @rule(generation=consumes(running))
    def succeed(self, generation: int) -> None:
        known = generation == self.circuit.generation
        self.probes.discard(generation)
        self.circuit.succeeded(generation, self.now)
        if known:
            assert not self.circuit.open
            self.in_a_row = 0

    @rule(generation=consumes(running))
    def fail(self, generation: int) -> None:
        known, was_open = generation == self.circuit.generation, self.circuit.open
        self.probes.discard(generation)
        self.circuit.failed(generation, self.now)
        if known:
            self.in_a_row += 1
            assert self.circuit.open or self.in_a_row < 5
        if self.circuit.open and (known or not was_open):
            self.in_a_row = 0
            self.closed_until = self.circuit.ready_at
            assert 5.0 <= self.closed_until - self.now <= 360.0

    @rule(generation=consumes(running))
    def leave(self, generation: int) -> None:
        was_open = self.circuit.open
        self.circuit.abandoned(generation)
        assert self.circuit.open == was_open
        self.probes.discard(generation)

    @invariant()
    def never_shut_for_good(self) -> None:
        assert self.probes or self.circuit.ready_at <= self.now + 360.0


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=200, stateful_step_count=40)


class Upstreams:
    """Two targets of which the first is dead; notes who was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.dead = {"one"}

    async def attempt(self, work: Work, lane: Lane) -> None:
        name = lane.target.provider.name
        self.asked.append(name)
        work.progress.attempts += 1
        if name in self.dead:
            raise UpstreamError(529, "Overloaded")


async def test_a_dead_primary_costs_five_requests() -> None:
    """After five failures the second target is asked at once, and one probe finds out when the first is back."""
    pace, upstreams = FakePace(), Upstreams()
    attempts, route = alone(pace, "one/m", "two/m")
    for _ in range(50):
        await attempts.run(work(), route, upstreams.attempt)
    assert upstreams.asked.count("one") == 5
    assert upstreams.asked[-40:] == ["two"] * 40

    pace.at += 6.0
    upstreams.asked.clear()
    for _ in range(10):
        await attempts.run(work(), route, upstreams.attempt)
    assert upstreams.asked == ["one"] + ["two"] * 10

    pace.at += 20.0
    upstreams.dead.clear()
    upstreams.asked.clear()
    for _ in range(10):
        await attempts.run(work(), route, upstreams.attempt)
    assert upstreams.asked == ["one"] * 10


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0], ids=["a day back", "a day ahead"])
async def test_a_clock_that_is_set_changes_nothing(jump_s: float) -> None:
    """Where somebody sets the machine's clock, a broken target is left alone as long as it would have been."""
    pace, upstreams = FakePace(), Upstreams()
    attempts, route = alone(pace, "one/m", "two/m")
    for _ in range(10):
        await attempts.run(work(), route, upstreams.attempt)
    pace.jump_s = jump_s
    upstreams.asked.clear()
    await attempts.run(work(), route, upstreams.attempt)
    assert upstreams.asked == ["two"]
    pace.at += 6.0
    await attempts.run(work(), route, upstreams.attempt)
    assert upstreams.asked == ["two", "one", "two"]


async def test_a_silent_primary_costs_five_waits(
    upstream: ScriptedUpstream, second: ScriptedUpstream, script: Script, second_script: Script, records: Records
) -> None:
    """After five requests that waited in vain the others go to the second target at once."""
    targets = {"m": provider("one", upstream.url), "n": provider("two", second.url)}
    script.push(*[never()] * 5)
    second_script.push(*[good("openai_chat", streamed=True)] * 20)
    limits = impatient(first_event_s=0.05, reasoning_event_s=0.05)
    async with routed(targets, FakePace(), records, timeouts=limits) as gateway:
        for _ in range(20):
            await gateway.messages(call(ask("mine", stream=True)), MemoryReply())
    assert [exchange.status for exchange in records.exchanges] == [200] * 20
    assert [exchange.attempts for exchange in records.exchanges] == [2] * 5 + [1] * 15
    assert len(upstream.requests) == 5


async def test_the_last_route_is_never_ejected() -> None:
    """Where there is one target, or none that works, requests go out whatever was before."""
    pace, upstreams = FakePace(), Upstreams()
    attempts, route = alone(pace, "one/m")
    for _ in range(20):
        upstreams.asked.clear()
        with pytest.raises(UpstreamError):
            await attempts.run(work(), route, upstreams.attempt)
        assert upstreams.asked
    upstreams.dead.clear()
    await attempts.run(work(), route, upstreams.attempt)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 429])
async def test_refusals_do_not_break_it(status: int) -> None:
    """An upstream that refuses a request, a key or a model is not down."""
    attempts, route = alone(FakePace(), "one/m")
    lanes: list[Lane] = []

    async def attempt(work: Work, lane: Lane) -> None:
        lanes.append(lane)
        raise UpstreamError(status, "no")

    for _ in range(30):
        with pytest.raises(UpstreamError):
            await attempts.run(work(), route, attempt)
    assert not lanes[0].circuit.open


async def test_clients_that_leave_do_not_break_it() -> None:
    """A client that gives up says nothing about the upstream."""
    attempts, route = alone(FakePace(), "one/m")
    lanes: list[Lane] = []

    async def attempt(work: Work, lane: Lane) -> None:
        lanes.append(lane)
        raise asyncio.CancelledError

    for _ in range(30):
        with pytest.raises(asyncio.CancelledError):
            await attempts.run(work(), route, attempt)
    assert not lanes[0].circuit.open
