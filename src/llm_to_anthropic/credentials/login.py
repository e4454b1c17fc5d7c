"""A token that has to be renewed: one background thread fetches it ahead of its end, for everyone at once.

It knows nothing of Google: what fetches a token is given to it, blocks as long as it likes, and never runs on
an event loop. State is shared between that thread and any number of event loops, under one lock; the usual
request reads the token without it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

import msgspec

from llm_to_anthropic.errors import ProxyError

Headers = list[tuple[bytes, bytes]]
Clock = Callable[[], float]
"""Seconds since 1970: tokens end by the wall clock."""

AHEAD_S = 300.0
"""How long before its end a token is renewed."""
TOO_LATE_S = 5.0
"""A token with less time left is not used any more: the request needs time to arrive."""
PAUSE_S = 30.0
"""Between two fetches that nobody waits for: after a failure, or where the source gives a token that ends soon."""
PATIENCE_S = 3.0
"""Whoever asks again within this time gets the same failure, without another attempt."""
LIMIT_S = 30.0
"""How long a request waits for a token."""
NAP_S = 60.0
"""How often the thread looks at the clock: its waits do not count the time that a machine slept."""


class Token(msgspec.Struct, frozen=True):
    """What authenticates requests, and until when (seconds since 1970)."""

    headers: tuple[tuple[bytes, bytes], ...]
    ends_at: float

    def __repr__(self) -> str:
        return f"Token(***, ends_at={self.ends_at})"


class LoginFailure(ProxyError):
    """No token could be had: what went wrong, and what mends it. Neither holds a secret."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class Login:
    """One account's token, always fresh. `fetch` blocks and raises LoginFailure; `warn` is told of new failures."""

    def __init__(self, fetch: Callable[[], Token], clock: Clock, warn: Callable[[LoginFailure], None]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._warn = warn
        self._changed = threading.Condition()
        self._token: Token | None = None
        self._renew_at = 0.0
        self._renewal: Future[Token] | None = None
        self._failure: LoginFailure | None = None
        self._failed_at = 0.0
        self._refused_at = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="login", daemon=True)
        self._thread.start()

    def headers(self) -> Headers | None:
        """The headers of a token that is good now; None where it has to be waited for."""
        token = self._token
        if token is None:
            return None
        now = self._clock()
        if now >= token.ends_at - TOO_LATE_S:
            return None
        if now >= self._renew_at and self._renewal is None:
            self._ask()  # the thread sleeps by another clock, which may stand still
        return list(token.headers)

    async def wait(self) -> Headers:
        """The headers, once there is a token. Raises LoginFailure."""
        with self._changed:
            headers, failure = self.headers(), self._failure
            if headers is not None:
                return headers
            if failure is not None and self._clock() < self._failed_at + PATIENCE_S:
                raise LoginFailure(failure.problem, failure.remedy)
            renewal = self._ask()
        return list((await _done(renewal)).headers)

    async def refused(self, sent: Headers) -> bool:
        """After an upstream's 401: whether there is another token to try, fetched now if need be."""
        with self._changed:
            token = self._token
            if token is not None and list(token.headers) != sent:
                return True  # renewed since
            if self._renewal is None:
                now = self._clock()
                if now < self._refused_at + PAUSE_S:
                    return False  # an upstream that refuses every token must not have them fetched all the time
                self._refused_at = now
            renewal = self._ask()
        try:
            return await _done(renewal) != token
        except LoginFailure:
            return False

    def trouble(self) -> str:
        """Why requests would be refused now; empty where they would not."""
        if self._failure is not None and self.headers() is None:
            return str(self._failure)
        return "" if self._token is not None else "waits for its first token"

    def close(self) -> None:
        """Ends the thread, at the latest when what it fetches is there."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _ask(self) -> Future[Token]:
        """The renewal that runs or comes next: however many ask, there is one."""
        with self._changed:
            if self._renewal is None:
                self._renewal = Future()
                self._changed.notify()
            renewal = self._renewal
        if self._closed:
            self._abandon()
        return renewal

    def _run(self) -> None:
        while self._wait_for_work():
            self._renew()
        self._abandon()

    def _abandon(self) -> None:
        with self._changed:
            renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.set_exception(LoginFailure("the proxy is shutting down", ""))

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not self._closed:
                left_s = self._renew_at - self._clock()
                if self._renewal is None and left_s <= 0:
                    self._renewal = Future()
                if self._renewal is not None:
                    return True
                self._changed.wait(min(left_s, NAP_S))
            return False

    def _renew(self) -> None:
        try:
            self._keep(self._fetch())
        except LoginFailure as failure:
            self._fail(failure)
        except Exception as error:  # whatever a credential library raises, requests must hear of it
            self._fail(LoginFailure(f"the login failed ({type(error).__name__})", ""))

    def _keep(self, token: Token) -> None:
        with self._changed:
            renewal, self._renewal = self._renewal, None
            self._token, self._failure = token, None
            self._renew_at = max(token.ends_at - AHEAD_S, self._clock() + PAUSE_S)
        if renewal is not None:
            renewal.set_result(token)

    def _fail(self, failure: LoginFailure) -> None:
        with self._changed:
            renewal, self._renewal = self._renewal, None
            before, self._failure = self._failure, failure
            self._failed_at = self._clock()
            self._renew_at = self._failed_at + PAUSE_S
        if str(failure) != str(before or ""):
            self._warn(failure)
        if renewal is not None:
            renewal.set_exception(failure)


async def _done(renewal: Future[Token]) -> Token:
    try:
        async with asyncio.timeout(LIMIT_S):
            # Shielded: a client that leaves must not cancel what the others wait for.
            return await asyncio.shield(asyncio.wrap_future(renewal))
    except TimeoutError:
        raise LoginFailure(f"no token came within {LIMIT_S:g} s", "look at the network and HTTPS_PROXY") from None
