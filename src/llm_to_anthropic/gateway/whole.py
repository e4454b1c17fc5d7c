"""Carries one upstream answer to a client that wants it whole, through a translator."""

from __future__ import annotations

from math import inf

from llm_to_anthropic.gateway.answer_headers import JSON_HEADERS, rate_limits
from llm_to_anthropic.gateway.relay import LastWords, make_room, read_refused
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.settings import Timeouts
from llm_to_anthropic.translators.translator import Translator, UpstreamRequest
from llm_to_anthropic.upstream import UpstreamCall
from llm_to_anthropic.upstream.call import UNASKED_BYTES


async def carry_whole(
    work: Work, translator: Translator, upstream: UpstreamCall, timeouts: Timeouts
) -> UpstreamRequest | None:
    """Answers the client with one message, or gives the request whose answer goes on with it.

    Raises ApiError or UpstreamRefusal.
    """
    progress = work.progress
    try:
        try:
            await upstream.head()
            progress.upstream_request_id = upstream.header(b"x-request-id")
            if upstream.status >= 400:
                _feed_all(translator, await read_refused(upstream, translator))
            else:
                progress.answering = True
                progress.answer_headers = rate_limits(translator, upstream)
                if not _feed_rest(translator, upstream):
                    await _feed(work, translator, upstream, timeouts)
            if translator.settled:
                upstream.release()
        finally:
            upstream.close()
        if translator.failure is not None:
            raise translator.failure
        if not translator.ended and (request := translator.follow_up()):
            return request
        message = translator.message()
        progress.wrote()
        await work.whole(200, JSON_HEADERS, message)
    finally:
        progress.usage, progress.stop_reason = translator.usage, translator.stop_reason
    return None


def _feed_rest(translator: Translator, upstream: UpstreamCall) -> bool:
    """Feeds an answer that has come with its head, as most that are not streamed do; False where more is to come."""
    data = upstream.rest()
    if data is None:
        return False
    _feed_all(translator, data)
    return True


def _feed_all(translator: Translator, data: bytes) -> None:
    translator.receive_data(data)
    if not translator.ended and translator.failure is None:
        translator.receive_eof()


async def _feed(work: Work, translator: Translator, upstream: UpstreamCall, timeouts: Timeouts) -> None:
    received, room = 0, UNASKED_BYTES
    rest: LastWords | None = None

    def take(data: bytes) -> bool:
        nonlocal received, room
        received += len(data)
        if received > room:
            room = make_room(upstream.size_from(received), work.keep)
        translator.receive_data(data)
        return not (translator.settled or translator.ended or translator.failure is not None)

    while not translator.ended and translator.failure is None:
        if translator.settled:
            rest = rest or LastWords(upstream, timeouts)
            data: bytes | None = await rest.read()
        elif await upstream.pour(take, inf):  # most of what is whole to the client is a stream to us
            continue
        else:
            data = await upstream.read()
        if not data:
            translator.receive_eof()
            return
        take(data)
