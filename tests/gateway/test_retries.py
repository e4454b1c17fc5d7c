"""What is tried again: when, how often, and what the client hears of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.gateway.backoff import MAX_DELAY_S, RetryBudget, delay_s
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.gateway.lanes import Lane
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.scripted import Answer, Cut, Reset, Script, ScriptedUpstream, stream, whole
from llm_to_anthropic.settings import Retries
from tests.gateway.answers import PROTOCOLS, bad, good
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.gateway.pacing import FakePace, alone, impatient, provider, routed, work

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
STUBBORN = Retries(max_retries=6, max_share=1.0)
"""For an upstream that nothing stands beside and that fails often."""
each_form = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


@pytest.fixture
def pace() -> FakePace:
    return FakePace()


@pytest.fixture
def protocol() -> Protocol:
    return "openai_chat"


@pytest.fixture
async def single(
    upstream: ScriptedUpstream, protocol: Protocol, pace: FakePace, records: Records
) -> AsyncIterator[Gateway]:
    """A gateway whose model `mine` has one target."""
    async with routed({"m": provider("one", upstream.url, protocol)}, pace, records) as gateway:
        yield gateway


async def answered(gateway: Gateway, *, streamed: bool = False) -> MemoryReply:
    return await reply_to(gateway, call(ask("mine", stream=streamed)))


@each_protocol
@each_form
async def test_two_failures_are_not_seen(
    single: Gateway, script: Script, pace: FakePace, protocol: Protocol, streamed: bool
) -> None:
    """An upstream that fails twice and then answers costs the client nothing but time."""
    script.push(bad(protocol, 503), bad(protocol, 503), good(protocol, streamed=streamed))
    reply = await answered(single, streamed=streamed)
    assert reply.status == 200
    assert b"hello" in reply.body
    assert reply.headers[b"x-upstream-attempts"] == b"3"
    assert (len(pace.slept), pace.slept[0] <= 0.5, pace.slept[1] <= 1.0) == (2, True, True)


async def test_what_the_model_spoils_is_asked_for_again(
    single: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """Groq refuses a call that its model got wrong as a wrong request: it is sent again, and told as what it is."""
    spoiled = whole({"error": {"message": "Boom", "code": "tool_use_failed"}}, status=400)
    script.push(spoiled, good("openai_chat", streamed=False), spoiled, spoiled, spoiled)
    assert b"hello" in (await answered(single)).body
    reply = await answered(single)
    assert (reply.status, reply.headers[b"x-should-retry"]) == (400, b"false")
    assert len(upstream.requests) == 5


async def test_failures_are_on_record(single: Gateway, script: Script, records: Records) -> None:
    """The log tells of a good answer how many attempts it took, and what went wrong before."""
    script.push(bad("openai_chat", 503), bad("openai_chat", 500), good("openai_chat", streamed=False))
    await answered(single)
    (exchange,) = records.exchanges
    assert (exchange.outcome, exchange.attempts, exchange.fallback) == ("ok", 3, False)
    assert exchange.failures == ("one/m: 529 overloaded_error", "one/m: 500 api_error")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
async def test_passing_trouble_is_tried_three_times(
    single: Gateway, script: Script, upstream: ScriptedUpstream, status: int
) -> None:
    """What may be over in a moment is tried twice more; then the client is told not to go on."""
    script.push(*[bad("openai_chat", status)] * 5)
    reply = await answered(single)
    assert reply.status >= 400
    assert len(upstream.requests) == 3
    assert reply.headers[b"x-should-retry"] == b"false"


async def test_client_may_try_again_where_we_did_not(
    single: Gateway, script: Script, upstream: ScriptedUpstream
) -> None:
    """Once an upstream has had its share of retries a failure is told at once, and clients are not kept from theirs."""
    script.push(*[bad("openai_chat", 503)] * 5)
    first, second, third = [await answered(single) for _ in range(3)]
    assert len(upstream.requests) == 3 + 2 + 1
    assert [reply.headers.get(b"x-should-retry") for reply in (first, second, third)] == [b"false", b"false", None]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_what_stays_wrong_is_tried_once(
    single: Gateway, script: Script, upstream: ScriptedUpstream, pace: FakePace, status: int
) -> None:
    """An error that the same request would bring again is told at once."""
    script.push(*[bad("openai_chat", status)] * 5)
    reply = await answered(single)
    assert 400 <= reply.status < 500
    assert len(upstream.requests) == 1
    assert pace.slept == []


class TestAnthropic:
    """Anthropic's own errors."""

    @pytest.fixture
    def protocol(self) -> Protocol:
        return "anthropic"

    @pytest.mark.parametrize(("advice", "hits"), [("", 3), ("true", 3), ("false", 1)])
    async def test_a_conflict_is_tried_again_unless_anthropic_says_no(
        self, single: Gateway, script: Script, upstream: ScriptedUpstream, advice: str, hits: int
    ) -> None:
        """409 is repeated, but `x-should-retry: false` of the upstream is obeyed."""
        script.push(*[bad("anthropic", 409, headers=(("x-should-retry", advice),) if advice else ())] * 5)
        assert (await answered(single)).status == 409
        assert len(upstream.requests) == hits

    async def test_the_last_error_is_told_word_for_word(self, single: Gateway, script: Script) -> None:
        """After all attempts the client gets Anthropic's own envelope, and is told that we have tried."""
        told = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_up"}'
        script.push(*[whole(told, status=529, headers=(("request-id", "req_up"),))] * 3)
        reply = await answered(single, streamed=True)
        assert (reply.status, reply.body) == (529, told)
        assert reply.headers[b"request-id"] == b"req_up"
        assert reply.headers[b"x-should-retry"] == b"false"
        assert reply.headers[b"x-upstream-attempts"] == b"3"


async def test_a_refused_connection_is_tried_three_times(pace: FakePace, records: Records) -> None:
    """A server that is just restarting may be back within a second."""
    async with routed({"m": provider("one", "http://127.0.0.1:1")}, pace, records) as gateway:
        reply = await answered(gateway)
    assert reply.status == 502
    assert records.exchanges[0].attempts == 3
    assert len(pace.slept) == 2


@each_form
async def test_a_connection_reset_before_the_answer_is_tried_again(
    single: Gateway, script: Script, streamed: bool
) -> None:
    """A connection that breaks before a byte of the answer is no answer."""
    script.push(Answer(before_head=(Reset(),)), good("openai_chat", streamed=streamed))
    assert (await answered(single, streamed=streamed)).status == 200


@each_protocol
async def test_a_whole_answer_that_began_is_not_asked_for_again(
    single: Gateway, script: Script, upstream: ScriptedUpstream, protocol: Protocol
) -> None:
    """Once a byte of a whole answer has come, the upstream has done the work: no second POST pays for it twice."""
    answer = good(protocol, streamed=False)
    assert isinstance(answer.body[0], bytes)
    half = answer.body[0][: len(answer.body[0]) // 2]
    script.push(Answer(headers=answer.headers, body=(half, Cut()), framing="chunked"), answer)
    assert (await answered(single)).status == 502
    assert len(upstream.requests) == 1


async def test_a_stream_that_breaks_before_it_says_anything_is_asked_for_again(single: Gateway, script: Script) -> None:
    """The role of the message is no part of it: nothing was told, so nothing is told twice."""
    role = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
    script.push(stream(role, Reset()), good("openai_chat", streamed=True))
    reply = await answered(single, streamed=True)
    assert reply.events().count("message_start") == 1
    assert reply.events()[-1] == "message_stop"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(b"<html>Welcome!</html>"), id="web page"),
        pytest.param(whole(b"Hello there."), id="plain text"),
    ],
)
async def test_a_wrong_address_is_told_at_once(
    single: Gateway, script: Script, upstream: ScriptedUpstream, answer: Answer
) -> None:
    """What is no API will be none in a second: nobody tries again until the setting is mended."""
    script.push(answer)
    reply = await answered(single, streamed=True)
    assert (reply.status, reply.headers[b"x-should-retry"]) == (502, b"false")
    assert b"base URL" in reply.body
    assert len(upstream.requests) == 1


async def test_every_attempt_carries_the_same_id(single: Gateway, script: Script, upstream: ScriptedUpstream) -> None:
    """An upstream that knows the id of a request sees that the attempts are one."""
    script.push(bad("openai_chat", 503), bad("openai_chat", 503), good("openai_chat", streamed=False))
    await answered(single)
    assert {request.headers["x-client-request-id"] for request in upstream.requests} == {"req_test000000000000000001"}
    assert len({request.body for request in upstream.requests}) == 1


async def test_a_pause_leaves_time_for_what_follows(
    upstream: ScriptedUpstream, script: Script, records: Records
) -> None:
    """Once a stream has been silent for `commit_after_s` no other target can answer: pauses take half of it at most."""
    pauses = []
    for seed in range(20):
        pace = FakePace(seed)
        script.push(bad("openai_chat", 503), good("openai_chat", streamed=True))
        one = {"m": provider("one", upstream.url)}
        async with routed(one, pace, records, timeouts=impatient(commit_after_s=0.4)) as gateway:
            assert (await answered(gateway, streamed=True)).status == 200
        pauses += pace.slept
    assert len(pauses) == 20
    assert 0.1 < max(pauses) <= 0.2


async def test_retries_can_be_switched_off(
    script: Script, upstream: ScriptedUpstream, pace: FakePace, records: Records
) -> None:
    """With `max_retries = 0` every error is the client's to try again, and it is not told otherwise."""
    script.push(*[bad("openai_chat", 503)] * 3)
    one = {"m": provider("one", upstream.url)}
    async with routed(one, pace, records, retries=Retries(max_retries=0)) as gateway:
        reply = await answered(gateway)
    assert len(upstream.requests) == 1
    assert b"x-should-retry" not in reply.headers


class TestBackoff:
    """The pauses between attempts."""

    @pytest.mark.parametrize("retry", range(7))
    def test_delays_are_uniform(self, retry: int) -> None:
        """Over 1000 runs all delays up to the bound are alike likely (Kolmogorov-Smirnov, p > 0.01)."""
        bound = min(MAX_DELAY_S, 0.5 * 2**retry)
        chance = FakePace(seed=retry).pace().random
        delays = sorted(delay_s(retry, chance) for _ in range(1000))
        distance = max(
            max((rank + 1) / 1000 - delay / bound, delay / bound - rank / 1000) for rank, delay in enumerate(delays)
        )
        assert delays[-1] <= bound <= 8.0
        assert distance < 1.6276 / 1000**0.5  # the critical value of p = 0.01

    @each_form
    async def test_a_client_that_leaves_meanwhile_ends_it_at_once(
        self,
        script: Script,
        upstream: ScriptedUpstream,
        records: Records,
        monkeypatch: pytest.MonkeyPatch,
        streamed: bool,
    ) -> None:
        """A pause is no reason to go on for nobody: it ends within 250 ms, and no further request is made."""
        script.push(bad("openai_chat", 503), good("openai_chat", streamed=streamed))
        sleeping, pace = asyncio.Event(), FakePace()

        async def sleep(_: float) -> None:
            sleeping.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(pace, "sleep", sleep)
        async with routed({"m": provider("one", upstream.url)}, pace, records) as gateway:
            reply = MemoryReply()
            answering = asyncio.ensure_future(gateway.messages(call(ask("mine", stream=streamed)), reply))
            await sleeping.wait()
            reply.disconnect()
            async with asyncio.timeout(0.25):
                await answering
        assert (records.exchanges[0].status, records.exchanges[0].outcome) == (499, "client_disconnected")
        assert len(upstream.requests) == 1


class TestBudget:
    """Retries must not multiply the load of an upstream that is down."""

    def test_a_fifth_of_the_requests_may_be_retried(self) -> None:
        """Of 100 requests within 10 seconds 20 are tried again, and no more."""
        budget = RetryBudget(Retries())
        for number in range(100):
            budget.request(50 + number / 100)
        assert spent(budget, 51.0) == 20

    def test_three_may_always_be(self) -> None:
        """Where little is asked, a share of it would be nothing."""
        budget = RetryBudget(Retries())
        budget.request(5.0)
        assert spent(budget, 5.0) == 3

    def test_one_request_may_use_all_of_its_own(self) -> None:
        """Whoever is alone and allows a request six retries gets six, not three."""
        budget = RetryBudget(Retries(max_retries=6))
        budget.request(5.0)
        assert spent(budget, 5.0) == 6

    def test_a_larger_share_can_be_chosen(self) -> None:
        """`max_share` is what retries may be per request."""
        budget = RetryBudget(Retries(max_share=1.5))
        for _ in range(100):
            budget.request(5.0)
        assert spent(budget, 5.0) == 150

    def test_it_comes_back_within_ten_seconds(self) -> None:
        """What was spent is forgotten with the window, and so are the requests."""
        budget = RetryBudget(Retries())
        for _ in range(1000):
            budget.request(5.0)
        assert spent(budget, 5.0) == 200
        assert spent(budget, 14.9) == 0
        assert spent(budget, 15.0) == 3

    async def test_a_dead_upstream_sees_a_quarter_more_at_most(self, pace: FakePace) -> None:
        """At 100 requests a second for 10 seconds, all answered 503, hits stay below 1.25 times that."""
        hits = 0

        async def attempt(work: Work, lane: Lane) -> None:
            nonlocal hits
            hits += 1
            raise UpstreamError(529, "Overloaded")

        pace.moves = False
        attempts, route = alone(pace, "one/m")
        for number in range(1000):
            pace.at = 1000 + number / 100
            with pytest.raises(UpstreamError):
                await attempts.run(work(), route, attempt)
        assert 1000 < hits <= 1250

    @pytest.mark.parametrize(
        ("shares", "retries", "answered"),
        [
            pytest.param({"one/m": 0.3, "two/m": 0.0}, Retries(), 0.999, id="30% with a healthy fallback"),
            pytest.param({"one/m": 0.05}, Retries(), 0.999, id="5% alone"),
            pytest.param({"one/m": 0.3}, STUBBORN, 0.999, id="30% alone, with more retries"),
            pytest.param({"one/m": 0.3, "two/m": 0.3}, Retries(), 0.8, id="30% with a fallback like it"),
            pytest.param({"one/m": 0.3, "two/m": 0.3}, STUBBORN, 0.999, id="30% with a fallback like it, more retries"),
        ],
    )
    async def test_a_flaky_upstream_is_hardly_noticed(
        self, pace: FakePace, shares: dict[str, float], retries: Retries, answered: float
    ) -> None:
        """Of 2000 requests at flaky upstreams so large a share is answered, and hits stay within the budget."""
        chance, hits, answers = FakePace(seed=7).pace().random, 0, 0

        async def attempt(work: Work, lane: Lane) -> None:
            nonlocal hits
            work.progress.attempts += 1
            name = f"{lane.target.provider.name}/{lane.target.model}"
            hits += name == "one/m"
            if chance() < shares[name]:
                raise UpstreamError(529, "Overloaded")

        pace.moves = False
        attempts, route = alone(pace, *shares, retries=retries)
        for number in range(2000):
            pace.at = 1000 + number / 100
            with contextlib.suppress(UpstreamError):
                await attempts.run(work(), route, attempt)
                answers += 1
        assert answers >= 2000 * answered
        assert hits <= 2000 * (1.05 + retries.max_share)


def spent(budget: RetryBudget, now: float) -> int:
    """How many retries are allowed now."""
    count = 0
    while budget.left(now):
        budget.retry(now)
        count += 1
    return count
