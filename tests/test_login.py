"""A token that is renewed in the background: ahead of its end, once for everyone, and again after a refusal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from llm_to_anthropic.credentials.login import AHEAD_S, PATIENCE_S, PAUSE_S, Headers, Login, LoginFailure, Token

LASTS_S = 3600.0
FAILURE = LoginFailure("it is broken", "mend it")


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Hands out token-0, token-1, ...; each fetch waits until the test lets it through."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.fetched = 0
        self.failure: LoginFailure | Exception | None = None
        self.started: asyncio.Queue[int] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._gate = threading.Semaphore(0)

    def __call__(self) -> Token:
        number = self.fetched
        self.fetched += 1
        self._loop.call_soon_threadsafe(self.started.put_nowait, number)
        assert self._gate.acquire(timeout=10.0)
        if self.failure is not None:
            raise self.failure
        return Token(tuple(headers(number)), self.clock.now + LASTS_S)

    def let(self, count: int = 1) -> None:
        self._gate.release(count)


def headers(number: int) -> Headers:
    return [(b"authorization", f"Bearer token-{number}".encode())]


class Running(Login):
    """A login with its source, clock and warnings at hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.source = Source(self.clock)
        self.warned: list[LoginFailure] = []
        super().__init__(self.source, self.clock, self.warned.append)

    async def first(self) -> Running:
        """With its first token."""
        self.source.let()
        assert await self.wait() == headers(0)
        assert await self.source.started.get() == 0
        return self


@pytest.fixture
async def make() -> AsyncIterator[Callable[[], Running]]:
    made: list[Running] = []

    def build() -> Running:
        made.append(Running())
        return made[-1]

    yield build
    for login in made:
        login.close()
        login.source.let(100)


async def test_token_is_fetched_before_anybody_asks(make: Callable[[], Running]) -> None:
    """The first fetch begins with the server, not with the first request."""
    assert await make().source.started.get() == 0


async def test_fifty_requests_share_one_fetch(make: Callable[[], Running]) -> None:
    """However many requests wait for a token, one is fetched."""
    login = make()
    waiting = [asyncio.ensure_future(login.wait()) for _ in range(50)]
    await login.source.started.get()
    login.source.let()
    assert await asyncio.gather(*waiting) == [headers(0)] * 50
    assert login.source.fetched == 1


async def test_token_is_renewed_ahead_of_its_end(make: Callable[[], Running]) -> None:
    """Five minutes before a token ends the next is fetched; until it is there, requests go on with the old one."""
    login = await make().first()
    login.clock.now += LASTS_S - AHEAD_S - 1
    assert login.headers() == headers(0)
    assert login.source.fetched == 1
    login.clock.now += 2
    assert login.headers() == headers(0)
    assert await login.source.started.get() == 1
    assert login.headers() == headers(0)
    login.source.let()
    assert await login.refused(headers(0))
    assert login.headers() == headers(1)
    assert login.source.fetched == 2


async def test_token_past_its_end_is_not_sent(make: Callable[[], Running]) -> None:
    """After a long sleep of the machine requests wait for a new token."""
    login = await make().first()
    login.clock.now += LASTS_S
    assert login.headers() is None
    login.source.let()
    assert await login.wait() == headers(1)


async def test_client_that_leaves_does_not_end_the_fetch(make: Callable[[], Running]) -> None:
    """A cancelled request leaves the token to the others that wait for it."""
    login = make()
    gone, stays = asyncio.ensure_future(login.wait()), asyncio.ensure_future(login.wait())
    await login.source.started.get()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    login.source.let()
    assert await stays == headers(0)


async def test_refused_token_is_renewed_once_for_all(make: Callable[[], Running]) -> None:
    """Fifty refusals of one token fetch one other token, and each may try again."""
    login = await make().first()
    refusals = [asyncio.ensure_future(login.refused(headers(0))) for _ in range(50)]
    await login.source.started.get()
    login.source.let()
    assert await asyncio.gather(*refusals) == [True] * 50
    assert (login.headers(), login.source.fetched) == (headers(1), 2)


async def test_late_refusal_of_an_old_token_fetches_nothing(make: Callable[[], Running]) -> None:
    """A refusal of a token that has been renewed since just means: try again."""
    login = await make().first()
    login.source.let()
    assert await login.refused(headers(0))
    assert await login.refused(headers(0))
    assert login.source.fetched == 2


async def test_upstream_that_refuses_every_token_is_believed(make: Callable[[], Running]) -> None:
    """Where the new token is refused too, no other is fetched for a while."""
    login = await make().first()
    login.source.let()
    assert await login.refused(headers(0))
    assert not await login.refused(headers(1))
    assert login.source.fetched == 2
    login.clock.now += PAUSE_S
    login.source.let()
    assert await login.refused(headers(1))


async def test_failure_reaches_all_who_wait(make: Callable[[], Running]) -> None:
    """A login that fails is told to every waiting request, and warned of once."""
    login = make()
    login.source.failure = FAILURE
    waiting = [asyncio.ensure_future(login.wait()) for _ in range(3)]
    await login.source.started.get()
    login.source.let()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(one) for one in told] == ["it is broken; mend it"] * 3
    assert login.warned == [FAILURE]
    assert login.trouble() == "it is broken; mend it"


async def test_failure_is_not_asked_for_again_at_once(make: Callable[[], Running]) -> None:
    """Requests right after a failure get its words; a little later one of them tries again, and succeeds."""
    login = make()
    login.source.failure = FAILURE
    login.source.let()
    for _ in range(2):
        with pytest.raises(LoginFailure, match="mend it"):
            await login.wait()
    assert login.source.fetched == 1
    login.clock.now += PATIENCE_S
    login.source.failure = None
    login.source.let()
    assert await login.wait() == headers(1)
    assert login.trouble() == ""


async def test_failed_renewal_leaves_the_token_in_use(make: Callable[[], Running]) -> None:
    """While a token is good, a renewal that fails is warned of and harms nobody."""
    login = await make().first()
    login.source.failure = FAILURE
    login.clock.now += LASTS_S - AHEAD_S
    login.source.let()
    assert not await login.refused(headers(0))
    assert login.warned == [FAILURE]
    assert (login.headers(), login.trouble()) == (headers(0), "")


async def test_unforeseen_failure_is_told_without_its_words(make: Callable[[], Running]) -> None:
    """Whatever else a credential library raises ends no thread, and its text, which may hold anything, is not shown."""
    login = make()
    login.source.failure = RuntimeError("token-0")
    login.source.let()
    with pytest.raises(LoginFailure, match=r"^the login failed \(RuntimeError\)$"):
        await login.wait()


async def test_not_ready_before_the_first_token(make: Callable[[], Running]) -> None:
    """Before the first token came the login says so."""
    login = make()
    assert login.trouble() == "waits for its first token"
    await login.first()
    assert login.trouble() == ""


async def test_closed_login_answers_who_still_asks(make: Callable[[], Running]) -> None:
    """After the end of the server nobody waits for a token that will not come."""
    login = await make().first()
    login.close()
    login.clock.now += LASTS_S
    with pytest.raises(LoginFailure, match="shutting down"):
        await login.wait()


def test_token_does_not_print() -> None:
    """A token in a log or a traceback shows nothing."""
    assert "token-0" not in repr(Token(tuple(headers(0)), 1.0))
