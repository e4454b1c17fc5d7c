"""The credentials of all providers of a server: keys at once, Google's tokens as they are renewed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from llm_to_anthropic.credentials.keys import auth_headers
from llm_to_anthropic.credentials.login import Clock, Headers, Login, LoginFailure, Token
from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.providers.provider import Provider

if TYPE_CHECKING:
    from llm_to_anthropic.credentials.google import GoogleLogin

Warn = Callable[[LoginFailure], None]


class Credentials:
    """One per server process: each Google login that a provider names has a thread of its own."""

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        warn: Warn = lambda _: None,
        clock: Clock = time.time,
    ) -> None:
        known = tuple(providers)
        self._fixed = {provider.name: auth_headers(provider, []) for provider in known if _is_fixed(provider)}
        """By provider: headers that are the same for all requests."""
        files = {provider.credential.google_file for provider in known if provider.credential.google}
        self._logins = {file: Login(_Google(file).fetch, clock, warn) for file in files}

    def at_hand(self, provider: Provider, client_headers: Headers) -> Headers | None:
        """The headers that authenticate a request; None where they have to be waited for."""
        fixed = self._fixed.get(provider.name)
        if fixed is not None:
            return fixed
        credential = provider.credential
        if credential.google:
            return self._logins[credential.google_file].headers()
        return auth_headers(provider, client_headers)

    async def headers(self, provider: Provider, client_headers: Headers) -> Headers:
        """The headers that authenticate a request. Raises UpstreamError (500) where no token can be had."""
        credential = provider.credential
        if not credential.google:
            return auth_headers(provider, client_headers)
        try:
            return await self._logins[credential.google_file].wait()
        except LoginFailure as failure:
            raise UpstreamError(
                500,
                f"no token for provider {provider.name}: {failure}",
                # A person has to mend it: the SDKs need not try again.
                headers={"x-should-retry": "false"},
            ) from failure

    async def refused(self, provider: Provider, sent: Headers) -> bool:
        """After a 401 to these headers: whether sending once more, with `headers` asked anew, makes sense."""
        credential = provider.credential
        return credential.google and await self._logins[credential.google_file].refused(sent)

    async def failure(self, provider: Provider) -> LoginFailure | None:
        """Why a provider's requests cannot be authenticated, once that is known."""
        if not provider.credential.google:
            return None
        try:
            await self._logins[provider.credential.google_file].wait()
        except LoginFailure as failure:
            return failure
        return None

    def trouble(self, provider: Provider) -> str:
        """Why a provider's requests could not be authenticated now; empty where they could."""
        credential = provider.credential
        return self._logins[credential.google_file].trouble() if credential.google else ""

    def close(self) -> None:
        """Lets the threads end."""
        for login in self._logins.values():
            login.close()


def _is_fixed(provider: Provider) -> bool:
    return not (provider.credential.google or provider.credential.client)


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
