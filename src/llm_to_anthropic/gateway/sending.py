"""Sends a request with the credentials of its provider, and once more where a token turned out to be stale."""

from __future__ import annotations

from collections.abc import Awaitable

from llm_to_anthropic.credentials import Credentials
from llm_to_anthropic.gateway.call import Headers
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.observers.transcript import Transcript
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.upstream import OutgoingRequest, Upstream, UpstreamCall

REFUSAL_WITHIN_S = 3.0
"""A 401 that takes longer is left to the client: until then nobody looks after its connection."""


class Sender:
    """Authenticates and sends."""

    def __init__(self, upstream: Upstream, credentials: Credentials, transcript: Transcript | None = None) -> None:
        self._upstream = upstream
        self._credentials = credentials
        self._transcript = transcript

    def send(self, work: Work, provider: Provider, request: OutgoingRequest, key: int = 0) -> Awaitable[UpstreamCall]:
        """The call under way, by the provider's key at that position.

        Raises ApiError where there are no credentials, or no connection.
        """
        auth = self._credentials.at_hand(provider, work.call.headers, key)
        if auth is None or provider.credential.login is not None:
            return self._send_with_token(work, provider, request, auth)
        return self._begin(work, request, auth)

    def _begin(self, work: Work, request: OutgoingRequest, auth: Headers) -> Awaitable[UpstreamCall]:
        work.progress.attempts += 1
        if self._transcript is not None and request.request_id:  # what passes through was shown as it came
            sent = (*request.headers, *auth)
            self._transcript.upstream_request(request.request_id, request.method, request.url, sent, request.body)
        return self._upstream.send(request, auth)

    async def _send_with_token(
        self, work: Work, provider: Provider, request: OutgoingRequest, auth: Headers | None
    ) -> UpstreamCall:
        if auth is None:
            auth = await self._credentials.headers(provider, work.call.headers)
        upstream = await self._begin(work, request, auth)
        if await self._refused(provider, upstream, auth):
            auth = await self._credentials.headers(provider, work.call.headers)
            upstream = await self._begin(work, request, auth)
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
