"""Sends a request with the credentials of its provider, and once more where a token turned out to be stale."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from llm_to_anthropic.credentials import Credentials
from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.upstream import OutgoingRequest, Upstream, UpstreamCall

Build = Callable[[Headers], OutgoingRequest]
"""The request, given the headers that authenticate it."""

REFUSAL_WITHIN_S = 3.0
"""A 401 that takes longer is left to the client: until then nobody looks after its connection."""


class Sender:
    """Authenticates and sends."""

    def __init__(self, upstream: Upstream, credentials: Credentials) -> None:
        self._upstream = upstream
        self._credentials = credentials

    def send(self, work: Work, provider: Provider, build: Build, key: int = 0) -> Awaitable[UpstreamCall]:
        """The call under way, by the provider's key at that position.

        Raises ApiError where there are no credentials, or no connection.
        """
        headers = self._credentials.at_hand(provider, work.call.headers, key)
        if headers is None or provider.credential.login is not None:
            return self._send_with_token(work, provider, build, headers)
        work.progress.attempts += 1
        return self._upstream.send(build(headers))

    async def _send_with_token(
        self, work: Work, provider: Provider, build: Build, headers: Headers | None
    ) -> UpstreamCall:
        if headers is None:
            headers = await self._credentials.headers(provider, work.call.headers)
        work.progress.attempts += 1
        upstream = await self._upstream.send(build(headers))
        if await self._refused(provider, upstream, headers):
            headers = await self._credentials.headers(provider, work.call.headers)
            work.progress.attempts += 1
            upstream = await self._upstream.send(build(headers))
        return upstream

    async def _refused(self, provider: Provider, upstream: UpstreamCall, sent: Headers) -> bool:
        """Whether the upstream refuses a token that can be exchanged for another; closes the call then."""
        again = False
        try:
            if await upstream.head(REFUSAL_WITHIN_S) and upstream.status == 401:
                again = await self._credentials.refused(provider, sent)
        except BaseException:
            upstream.close()
            raise
        if again:
            upstream.close()
        return again
