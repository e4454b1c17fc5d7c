"""Anthropic upstreams: bytes pass through, both ways.

Only the model, credentials and hop-by-hop headers change. What is added, where an upstream breaks
its own protocol: an `error` event after a cut stream, an envelope around errors that have none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import lru_cache
from urllib.parse import quote

from llm_to_anthropic.errors import (
    ApiError,
    ClientError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
    forget_way,
)
from llm_to_anthropic.exchange import Loss
from llm_to_anthropic.gateway.answer_headers import JSON_HEADERS, forwarded, provenance
from llm_to_anthropic.gateway.batches import check_batch, local_results_url
from llm_to_anthropic.gateway.byte_relay import ByteRelay
from llm_to_anthropic.gateway.call import Call, Headers
from llm_to_anthropic.gateway.client_request import API_VERSIONS, is_strict, same_envelope, session_id
from llm_to_anthropic.gateway.judgement import cannot_count
from llm_to_anthropic.gateway.known_mends import KnownMends
from llm_to_anthropic.gateway.lanes import Lane
from llm_to_anthropic.gateway.refusal import PassedError, error_within, is_json_object, read_refusal, tells_count
from llm_to_anthropic.gateway.relay import MAX_ANSWER_BYTES, MAX_ERROR_BYTES
from llm_to_anthropic.gateway.sending import Sender
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.providers.provider import Provider, Target
from llm_to_anthropic.providers.timeouts import Begins, CallTimeouts
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.anthropic import (
    UsageReader,
    drop_carriers,
    for_vertex,
    for_vertex_counting,
    may_hold_carriers,
    replace_answered_model,
    replace_known_model,
    replace_model,
)
from llm_to_anthropic.translators.foreign_turns import MENDED, Mend, mend_for
from llm_to_anthropic.translators.gathered import gathered
from llm_to_anthropic.translators.memory.beginnings import KnownBeginnings
from llm_to_anthropic.translators.memory.surroundings import MIN_BYTES, KnownSurroundings, Surroundings
from llm_to_anthropic.upstream import OutgoingRequest, UpstreamCall

_NOT_FORWARDED = frozenset(
    {
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"cookie",
        b"host",
        b"content-length",
        b"accept-encoding",
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
        b"forwarded",
        b"via",
        b"origin",
        b"referer",
        b"x-real-ip",
        b"x-client-ip",
        b"true-client-ip",
        b"x-proxy-strict",
    }
)
_NOT_FORWARDED_PREFIXES = (b"x-forwarded-", b"x-goog-", b"sec-", b"cf-", b"x-amzn-", b"x-auth-request-", b"x-envoy-")
_JSON = (b"content-type", b"application/json")
_JSON_PATHS = frozenset({"/v1/messages", "/v1/messages/count_tokens"})
_VERTEX_COUNTING = "/models/count-tokens:rawPredict"


class Passthrough:
    """Carries calls to an Anthropic upstream."""

    def __init__(self, settings: Settings, sender: Sender, surroundings: KnownSurroundings) -> None:
        self._settings = settings
        self._sender = sender
        self._surroundings = surroundings
        self._beginnings = KnownBeginnings()
        self._mends = KnownMends()

    async def messages(self, work: Work, lane: Lane) -> None:
        """POST /v1/messages, attempted by one lane; again where Claude cannot go on with what others made."""
        progress, target = work.progress, lane.target
        echo = progress.client_model if progress.client_model != target.model else None
        mends = self._mends.of(work.call, target)
        mended: bytes | None = None
        if mends:
            mended, mends = _mended_before(work, mends)
        while True:
            upstream = await self._send_message(work, lane, mended)
            mended = None  # a stream may run for long, and need not hold on to it
            try:
                if progress.stream:
                    work.relay = relay = ByteRelay(work, upstream, self._settings.timeouts, served_as=echo)
                    await relay.run()
                else:
                    await _whole_message(work, upstream, echo)
            except UpstreamError as refused:
                mended, mends = self._mend(work, target, refused, mends)
                forget_way(refused)
            else:
                return
            finally:
                upstream.close()

    def _mend(
        self, work: Work, target: Target, refused: UpstreamError, mends: tuple[Mend, ...]
    ) -> tuple[bytes, tuple[Mend, ...]]:
        """A refused request with one more mend than it had. Raises the refusal where none helps."""
        mend = mend_for(refused, target.provider)
        mended = None if mend is None or mend in mends else _mended(work, mend, mends)
        if mend is None or mended is None:
            if mends and refused.status in MENDED:
                self._mends.keep(work.call, target, ())
            raise refused
        mends = (*mends, mend)
        work.progress.losses = _losses(mends)
        self._mends.keep(work.call, target, mends)
        return mended, mends

    def _send_message(self, work: Work, lane: Lane, mended: bytes | None) -> Awaitable[UpstreamCall]:
        """Apart from `messages`, which would hold the body for as long as the answer runs."""
        target, stream, path = lane.target, work.progress.stream, _path(work.call)
        if mended is None:
            body = self._message_body(work.call, target.model)
        else:
            body = replace_model(mended, target.model, was=work.progress.client_model)
        if target.provider.backend == "vertex":
            path, body = vertex_path(target.model, stream=stream), for_vertex(body)
        begins: Begins = "event" if stream else "whole"
        return self._send(work, target.provider, path, body, key=lane.key, timeouts=target.timeouts, begins=begins)

    async def count_tokens(self, work: Work, lane: Lane, within_s: float) -> bool:
        """POST /v1/messages/count_tokens. False where the upstream cannot say now: then estimate."""
        target = lane.target
        path, body = _path(work.call), _outgoing_body(work.call.body, work.progress.client_model, target.model)
        if target.provider.backend == "vertex":
            path, body = _VERTEX_COUNTING, for_vertex_counting(body)
        try:
            async with asyncio.timeout(within_s):
                upstream = await self._send(work, target.provider, path, body, key=lane.key, timeouts=target.timeouts)
                count = await _count(work, upstream, target)
        except (UpstreamUnreachable, UpstreamTimeout, UpstreamProtocolError, TimeoutError) as error:
            forget_way(error)
            return False
        if count is not None:
            await _whole(work, upstream, count)
        return count is not None

    async def forward(self, work: Work, router: Router) -> None:
        """Any other path below /v1."""
        provider = self._provider()
        call = work.call
        if provider is None:
            raise _only_anthropic(call)
        work.progress.provider = provider
        body = await check_batch(call.body, router, provider) if _creates_batch(call) else call.body
        upstream = await self._send(work, provider, _path(call), body)
        try:
            await upstream.head()
            work.progress.upstream_request_id = upstream.header(b"request-id")
            if upstream.status >= 400:
                raise await read_refusal(upstream, provider)
            if call.path.startswith("/v1/messages/batches") and not call.path.endswith("/results"):
                await _whole_batch(work, upstream)
            else:
                await _stream_through(work, upstream)
        finally:
            upstream.close()

    def _message_body(self, call: Call, model: str) -> bytes:
        body, read = call.body, call.read
        if read is None:
            raise TypeError("a body is sent on once its model is known")
        if isinstance(read, Surroundings):
            unseen = self._beginnings.unseen(body, read, session_id(call))
            if unseen is not None:
                body = body if read.model == model else replace_known_model(body, read, model)
                return drop_carriers(body) if may_hold_carriers(unseen) else body
            read = same_envelope(body, read)
        if len(body) > MIN_BYTES and (messages := bytes(read.messages)):
            self._surroundings.see(body, session_id(call), messages)
        return _outgoing_body(body, read.model, model)

    def _provider(self) -> Provider | None:
        """The provider of paths that name no model: the built-in one, else the first of its protocol."""
        providers = self._settings.providers
        ordered = [providers[name] for name in ("anthropic",) if name in providers] + list(providers.values())
        for provider in ordered:
            credential = provider.credential
            # Vertex AI serves messages alone.
            whole_api = provider.protocol == "anthropic" and provider.backend == "dev"
            if whole_api and (credential.key or credential.client):
                return provider
        return None

    def _send(
        self,
        work: Work,
        provider: Provider,
        path: str,
        body: bytes,
        *,
        key: int = 0,
        timeouts: CallTimeouts | None = None,
        begins: Begins = "head",
    ) -> Awaitable[UpstreamCall]:
        call = work.call
        request = OutgoingRequest(
            method=call.method,
            url=provider.base_url + path,
            headers=_headers(call, provider),
            body=body,
            timeouts=timeouts,
            begins=begins,
        )
        return self._sender.send(work, provider, request, key)


def _path(call: Call) -> str:
    return call.raw_path + (f"?{call.query}" if call.query else "")


def vertex_path(model: str, *, stream: bool) -> str:
    """Where Vertex AI takes messages for a model, below the provider's base URL."""
    return f"/models/{quote(model, safe='@')}:{'streamRawPredict' if stream else 'rawPredict'}"


def _outgoing_body(body: bytes, requested: str, model: str) -> bytes:
    if requested != model:
        body = replace_model(body, model, was=requested)
    return drop_carriers(body)


def _headers(call: Call, provider: Provider) -> Headers:
    headers = [header for header in call.headers if _travels(header[0])]
    if (hops := call.found.get(b"connection", b"keep-alive").lower()) not in (b"keep-alive", b"close"):
        # Headers that it names are meant for us alone (RFC 9110, section 7.6.1).
        named = {name.strip() for name in hops.split(b",")}
        headers = [header for header in headers if header[0] not in named]
    if b"content-type" not in call.found and call.path in _JSON_PATHS:
        headers.append(_JSON)  # we do not insist on it, but servers do that would take the body for a form
    if provider.backend == "vertex":
        return [header for header in headers if header[0] != b"anthropic-version"]  # the body names Vertex AI's own
    if b"anthropic-version" not in call.found:
        headers.append((b"anthropic-version", API_VERSIONS[0].encode()))
    return headers


@lru_cache(maxsize=256)
def _travels(name: bytes) -> bool:
    """Whether a client's header goes to the upstream."""
    return name not in _NOT_FORWARDED and not name.startswith(_NOT_FORWARDED_PREFIXES)


def _mended_before(work: Work, mends: tuple[Mend, ...]) -> tuple[bytes | None, tuple[Mend, ...]]:
    """A request with what its conversation needed before, and those mends that change something and may be."""
    body = untouched = drop_carriers(work.call.body)
    strict = is_strict(work.call, work.route)
    needed: tuple[Mend, ...] = ()
    for mend in mends:
        if not (strict and mend.loss) and (mended := mend.edit(body)) is not body:
            body, needed = mended, (*needed, mend)
    work.progress.losses = _losses(needed)
    return None if body is untouched else body, needed


def _losses(mends: tuple[Mend, ...]) -> list[Loss]:
    return [mend.loss for mend in mends if mend.loss is not None]


def _mended(work: Work, mend: Mend, mends: tuple[Mend, ...]) -> bytes | None:
    """A request, as it was sent after other mends, with one more; None where that changes nothing, or may not be.

    It may not lose anything where the client is strict.
    """
    if mend.loss is not None and is_strict(work.call, work.route):
        return None
    body = drop_carriers(work.call.body)
    for former in mends:
        body = former.edit(body)
    mended = mend.edit(body)
    return None if mended is body else mended


async def _whole_message(work: Work, upstream: UpstreamCall, echo: str | None) -> None:
    await upstream.head()
    progress = work.progress
    progress.upstream_request_id = upstream.header(b"request-id")
    if upstream.status >= 400:
        raise await read_refusal(upstream, progress.target)
    progress.answering = True
    body = await upstream.read_all(MAX_ANSWER_BYTES, work.keep)
    headers = forwarded(upstream.headers)
    reader = UsageReader()
    # What the reader understands is an object; but it passes over most of the text, which may be no UTF-8.
    if not (reader.read(body) and body.isascii()) and not is_json_object(body):
        body, headers = _from_events(upstream, body, headers)
        reader.read(body)
    if reader.usage is None and (error := error_within(body, progress.target)) is not None:
        progress.answering = False
        raise error
    progress.usage, progress.stop_reason = reader.usage, reader.stop_reason
    progress.wrote()
    progress.status = upstream.status
    answer = replace_answered_model(body, echo) if echo else body
    await work.reply.whole(upstream.status, headers + provenance(progress), answer)


def _from_events(upstream: UpstreamCall, body: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """The message of a server that streams whatever is asked of it, with the headers of a whole answer."""
    message = gathered(body)
    if message is None:
        raise UpstreamProtocolError(
            f"the upstream answered {upstream.status} with something that is not the API's JSON"
        )
    return message, [header for header in headers if header[0] != b"content-type"] + JSON_HEADERS


async def _count(work: Work, upstream: UpstreamCall, target: Target) -> bytes | None:
    """The answer that tells a count; None where the upstream has none to tell."""
    try:
        await upstream.head()
        work.progress.upstream_request_id = upstream.header(b"request-id")
        if cannot_count(upstream.status, target.provider):
            return None
        if upstream.status >= 400:
            refusal = await read_refusal(upstream, target)
            if upstream.status == 404 and not isinstance(refusal, PassedError):
                return None  # it is the endpoint that is missing: Anthropic's own words would name the model
            if mend_for(refusal, target.provider) is not None or _is_of_betas(refusal, target):
                return None  # as a message it would be mended, or taken as it is, and answered
            raise refusal
        body = await upstream.read_all(MAX_ERROR_BYTES)
    finally:
        upstream.close()
    return body if tells_count(body) else None


def _is_of_betas(refusal: UpstreamError, target: Target) -> bool:
    """Vertex AI counts for fewer beta values than it answers for."""
    return target.provider.backend == "vertex" and "`anthropic-beta` header" in str(refusal)


async def _whole(work: Work, upstream: UpstreamCall, body: bytes) -> None:
    work.progress.status = upstream.status
    await work.reply.whole(upstream.status, forwarded(upstream.headers) + provenance(work.progress), body)


async def _whole_batch(work: Work, upstream: UpstreamCall) -> None:
    body = await upstream.read_all(MAX_ANSWER_BYTES, work.keep)
    await _whole(work, upstream, local_results_url(body, work.call))


async def _stream_through(work: Work, upstream: UpstreamCall) -> None:
    """A body of any kind and size, piece by piece."""
    data = await upstream.read()  # our head leaves with it: until then there is place for an error
    work.progress.status = upstream.status
    work.reply.start(upstream.status, forwarded(upstream.headers) + provenance(work.progress))
    try:
        while data:
            await work.reply.write(data)
            data = await upstream.read()
    except ApiError as error:
        # The head is out, and this body has no place for an error: only a cut tells the client.
        work.progress.failed_by(error)
        raise asyncio.CancelledError from error
    await work.reply.end()


def _creates_batch(call: Call) -> bool:
    return call.method == "POST" and call.path == "/v1/messages/batches"


def _only_anthropic(call: Call) -> ApiError:
    if _creates_batch(call):
        return ClientError(
            "Message Batches are only available for Anthropic models on this proxy: set ANTHROPIC_API_KEY"
        )
    return ClientError(
        f"{call.method} {call.path} is only served for Anthropic: set ANTHROPIC_API_KEY to have it forwarded",
        status=404,
    )
