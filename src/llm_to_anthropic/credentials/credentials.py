"""The credentials of all providers of a server: keys at once, the tokens of logins as they are renewed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from llm_to_anthropic.credentials.keys import auth_headers
from llm_to_anthropic.credentials.login import Clock, Headers, Login, LoginFailure, Token
from llm_to_anthropic.errors import NOT_RETRIED, UpstreamError
from llm_to_anthropic.providers.provider import Account, EntraAccount, GoogleAccount, Provider

if TYPE_CHECKING:
    from llm_to_anthropic.credentials.google import GoogleLogin

Warn = Callable[[LoginFailure], None]


class Credentials:
    """One per server process: each account that providers sign in with has a thread of its own."""

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        warn: Warn = lambda _: None,
        clock: Clock = time.time,
    ) -> None:
        known = tuple(providers)
        self._fixed = {
            provider.name: tuple(auth_headers(provider, [], key) for key in provider.credential.keys or (None,))
            for provider in known
            if _is_fixed(provider)
        }
        """By provider: headers that are the same for all requests, by each of its keys."""
        accounts = {provider.credential.login for provider in known}
        self._logins = {account: Login(_fetching(account), clock, warn) for account in accounts if account is not None}

    def at_hand(self, provider: Provider, client_headers: Headers, key: int = 0) -> Headers | None:
        """The headers that authenticate a request, by the key at that position; None where they must be waited for."""
        fixed = self._fixed.get(provider.name)
        if fixed is not None:
            return fixed[key]
        account = provider.credential.login
        if account is not None:
            return self._logins[account].headers()
        return auth_headers(provider, client_headers)

    async def headers(self, provider: Provider, client_headers: Headers) -> Headers:
        """The headers that authenticate a request. Raises UpstreamError (500) where no token can be had."""
        account = provider.credential.login
        if account is None:
            return auth_headers(provider, client_headers)
        try:
            return await self._logins[account].wait()
        except LoginFailure as failure:
            raise UpstreamError(
                500,
                f"no token for provider {provider.name}: {failure}",
                headers=NOT_RETRIED,
            ) from failure

    async def refused(self, provider: Provider, sent: Headers) -> bool:
        """After a 401 to these headers: whether sending once more, with `headers` asked anew, makes sense."""
        account = provider.credential.login
        return account is not None and await self._logins[account].refused(sent)

    async def failure(self, provider: Provider) -> LoginFailure | None:
        """Why a provider's requests cannot be authenticated, once that is known."""
        account = provider.credential.login
        if account is None:
            return None
        try:
            await self._logins[account].wait()
        except LoginFailure as failure:
            return failure
        return None

    def trouble(self, provider: Provider) -> str:
        """Why a provider's requests could not be authenticated now; empty where they could."""
        account = provider.credential.login
        return self._logins[account].trouble() if account is not None else ""

    def close(self) -> None:
        """Lets the threads end."""
        for login in self._logins.values():
            login.close()


def _is_fixed(provider: Provider) -> bool:
    return provider.credential.login is None and not provider.credential.client


def _fetching(account: Account) -> Callable[[], Token]:
    """What fetches an account's tokens. It imports what it needs when it first runs, in the login's thread."""
    match account:
        case GoogleAccount(file=file):
            return _Google(file).fetch
        case EntraAccount():
            return lambda: _entra_token(account)


def _entra_token(account: EntraAccount) -> Token:
    from llm_to_anthropic.credentials.entra import fetch_token  # noqa: PLC0415

    return fetch_token(account)


class _Google:
    """Fetches tokens by google-auth, which is an extra, and imported in the login's thread."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._login: GoogleLogin | None = None

    def fetch(self) -> Token:
        if self._login is None:
            self._login = _google_login(self._file)
        return self._login.fetch()


def _google_login(file: str) -> GoogleLogin:
    try:
        from llm_to_anthropic.credentials.google import GoogleLogin  # noqa: PLC0415
    except ImportError:
        raise LoginFailure("google-auth is not installed", "run: pip install 'llm-to-anthropic[vertex]'") from None
    return GoogleLogin(file)
