"""The way of a request: route, translate, send, relay, and exactly one Exchange at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from llm_to_anthropic.counting import TokenCounter
from llm_to_anthropic.credentials import Credentials
from llm_to_anthropic.errors import ApiError, UpstreamError, UpstreamProtocolError, forget_way, overloaded
from llm_to_anthropic.exchange import CLIENT_GONE, Exchange
from llm_to_anthropic.gateway.answer_headers import JSON_HEADERS, header_map
from llm_to_anthropic.gateway.attempts import Alarm, Attempts
from llm_to_anthropic.gateway.backoff import Pace
from llm_to_anthropic.gateway.call import Call, Reply
from llm_to_anthropic.gateway.client_request import client_request, decode_envelope, session_id
from llm_to_anthropic.gateway.fetched_urls import with_fetched
from llm_to_anthropic.gateway.judgement import cannot_count
from llm_to_anthropic.gateway.lanes import Lane
from llm_to_anthropic.gateway.passthrough import Passthrough
from llm_to_anthropic.gateway.recording import RecordingReply
from llm_to_anthropic.gateway.relay import MAX_ERROR_BYTES, Send, StreamRelay, UpstreamRefusal
from llm_to_anthropic.gateway.sending import Sender
from llm_to_anthropic.gateway.whole import carry_whole
from llm_to_anthropic.gateway.work import Work
from llm_to_anthropic.observers.metrics import Gauge
from llm_to_anthropic.observers.observer import Observer
from llm_to_anthropic.observers.transcript import Transcript
from llm_to_anthropic.providers.provider import Target, target_url
from llm_to_anthropic.providers.timeouts import Begins
from llm_to_anthropic.routing import ModelEntry, Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.api_choice import fitting_target, other_api
from llm_to_anthropic.translators.media_urls import UrlNotTaken
from llm_to_anthropic.translators.memory.surroundings import MIN_BYTES, MoreThanMessages, Surroundings
from llm_to_anthropic.translators.registry import make_translator
from llm_to_anthropic.translators.translator import ClientRequest, Learned, Translator, UpstreamRequest
from llm_to_anthropic.upstream import Fetcher, OutgoingRequest, Upstream, UpstreamCall
from llm_to_anthropic.wire.anthropic import Envelope

COUNT_WITHIN_S = 5.0
"""How long a count of tokens is waited for; clients ask for it while a person waits."""
MAX_LEARNED = 1024
"""Targets whose lessons are remembered; model names come from clients, so they need a bound."""
MAX_LESSONS = 4
"""How often one request is sent again: an unknown server may refuse several things, and names one at a time."""
_TEACHING = frozenset({400, 402, 403, 404, 422, 500})
"""Statuses under which upstreams refuse a part of a request: 402 more tokens than an account can pay for, 403 what it
may not use, 404 what they forgot, 500 what a chat template cannot render."""

_Key = tuple[str, str, str]


class Gateway:
    """Answers calls. One per server process; what it remembers of conversations saves work, and any other can go on."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        observers: Sequence[Observer],
        transcript: Transcript | None = None,
        credentials: Credentials | None = None,
        *,
        fetcher: Fetcher | None = None,
        pace: Pace | None = None,
        alarm: Alarm = lambda _: None,
        note: Alarm = lambda _: None,
    ) -> None:
        """`alarm` is told of keys that are refused, `note` of fields that are, and left out from then on."""
        self.settings = settings
        self._router = Router(settings)
        self._upstream = upstream
        self._observers = observers
        self._transcript = transcript
        self._counter = TokenCounter()
        self.credentials = credentials or Credentials(settings.providers.values())
        self._sender = Sender(upstream, self.credentials, transcript)
        self._fetcher = fetcher
        self._attempts = Attempts(settings, pace or Pace(), alarm)
        self._note = note
        self._unlearned = Learned()
        """What is known of a target that was never asked. All targets share its memories."""
        self._learned: dict[_Key, Learned] = {}
        self._by_other_api: dict[_Key, Target] = {}
        """Targets whose provider turned out to have the model by its other API."""
        self._surroundings = self._unlearned.surroundings
        self._passthrough = Passthrough(settings, self._sender, self._surroundings)
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        """Kept once it runs: to ask for the running loop costs a system call."""

    def models(self) -> tuple[ModelEntry, ...]:
        """What /v1/models lists."""
        return self._router.models()

    def model(self, model_id: str) -> ModelEntry:
        """What /v1/models/{id} shows. Raises ApiError."""
        return self._router.entry(model_id)

    def ready(self) -> tuple[bool, dict[str, object]]:
        """Whether any provider can be used, and which, without secrets."""
        return self._router.ready(self.credentials.trouble)

    def gauges(self) -> Iterator[Gauge]:
        """What there is now towards upstreams."""
        yield "upstream_connections", self._upstream.connections, ()
        open_circuits = self._attempts.open_circuits()
        for name in self.settings.providers:
            yield "open_circuits", open_circuits[name], (name,)

    def record(self, exchange: Exchange) -> None:
        """Hands a finished request to every observer."""
        for observer in self._observers:
            observer.record(exchange)

    def messages(self, call: Call, reply: Reply) -> Awaitable[None]:
        """POST /v1/messages."""
        return self._answer(call, reply, self._messages)

    def count_tokens(self, call: Call, reply: Reply) -> Awaitable[None]:
        """POST /v1/messages/count_tokens."""
        return self._answer(call, reply, self._count_tokens)

    def forward(self, call: Call, reply: Reply) -> Awaitable[None]:
        """Any other path below /v1: to Anthropic where that is configured."""
        return self._answer(call, reply, self._forward)

    async def close(self) -> None:
        """Ends what still runs, streams with an `error` event, and its connections and threads."""
        running = [task for task in self._running if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=1.0)
        self.credentials.close()
        self._counter.close()
        await self._upstream.close()

    async def _answer(self, call: Call, reply: Reply, handle: Callable[[Work], Awaitable[None]]) -> None:
        """Whatever happens, the client gets one answer and the observers one record."""
        if self._transcript is not None:
            reply = RecordingReply(reply, self._transcript, call.request_id)
        self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a request runs in a task")
        work = Work(call, reply, task)
        self._running.add(task)
        try:
            try:
                await handle(work)
            except ApiError as error:
                forget_way(error)
                await work.refuse(error)
        except asyncio.CancelledError:
            await _cancelled(work, task)
        except Exception:
            # A bug of ours: the server answers it and logs the traceback, the record must not look well.
            work.progress.status = work.progress.status or 500
            work.progress.failed("api_error", "internal error")
            raise
        finally:
            if work.kept:
                work.let_go()
            reply.when_left(None)
            self._running.discard(task)
            self.record(work.progress.exchange())

    def _messages(self, work: Work) -> Awaitable[None]:
        call = work.call
        read: Surroundings | None = None
        if len(call.body) > MIN_BYTES:
            read = self._surroundings.find(call.body, session_id(call))
        if read is None:
            return self._routed(work, decode_envelope(call.body))
        return self._known(work, read)

    async def _known(self, work: Work, read: Surroundings) -> None:
        try:
            await self._routed(work, read)
        except MoreThanMessages:
            pass  # not here: until it is left, what was read of the request is kept
        else:
            return
        await self._routed(work, decode_envelope(work.call.body))

    def _routed(self, work: Work, read: Envelope | Surroundings) -> Awaitable[None]:
        progress = work.progress
        progress.client_model = read.model
        progress.stream = read.stream is True
        if progress.stream and not work.call.may_stream:
            raise overloaded("too hard pressed to begin a stream", "memory")
        route = self._router.resolve(read.model)
        work.route, work.call.read = route, read
        return self._attempts.run(work, route.targets, self._attempt)

    def _attempt(self, work: Work, lane: Lane) -> Awaitable[None]:
        if lane.target.protocol == "anthropic":
            return self._passthrough.messages(work, lane)
        progress = work.progress
        request = client_request(work.call, work.route, stream=progress.stream)
        target = lane.target
        if target.for_server_tools is not None or self._by_other_api:
            target = progress.target = self._fitting(target, request.body)
        return self._by_its_api(work, request, target, lane.key)

    def _fitting(self, target: Target, body: bytes) -> Target:
        """The target by the API that this request needs, or by the one that turned out to have the model."""
        target = fitting_target(target, body)
        return self._by_other_api.get(_key_of(target), target)

    async def _by_its_api(self, work: Work, request: ClientRequest, target: Target, key: int) -> None:
        """By the other of OpenAI's APIs where this one says that it does not have the model, and that one does."""
        try:
            await self._translated(work, request, target, key)
        except UpstreamError as error:
            api = other_api(target, error)
            if api is None:
                raise
            refused = error
        else:
            return
        forget_way(refused)
        other = work.progress.target = self._router.by_api(target, api)
        try:
            await self._translated(work, request, other, key)
        except UpstreamError as error:
            if error.status == 404:  # there is no such endpoint
                work.progress.target = target
                raise refused from None
            raise
        if self._by_other_api.pop(_key_of(other), None) is None:  # else it was that one which was asked for
            if len(self._by_other_api) >= MAX_LEARNED:
                self._by_other_api.clear()
            self._by_other_api[_key_of(target)] = other
        self._note(f"{target.provider.name} refused {target.protocol} for {target.model}: {api} is spoken from now on")

    async def _translated(self, work: Work, request: ClientRequest, target: Target, key: int) -> None:
        """Sends once, and again where the upstream's refusal teaches what to leave out."""
        if self._fetcher is not None:
            request = await with_fetched(request, target, self._fetcher)
        learned = self._lessons(target)
        asked: UpstreamRequest | None
        lessons = 0
        while True:
            translator = make_translator(request, target, learned)
            asked = translator.encode()
            work.progress.losses = translator.losses
            ready = translator.local_answer()
            if ready is not None:
                work.progress.stop_reason = translator.stop_reason
                await work.whole(200, JSON_HEADERS, ready)
                return
            if self._transcript is not None:
                self._transcript.losses(work.call.request_id, translator.losses)
            try:
                if request.stream:
                    upstream = await self._send(work, target, key, "event", asked)
                    asked = None  # a stream may run for long, and need not hold on to it
                    await self._relay(work, translator, upstream, partial(self._send, work, target, key, "event"))
                while asked is not None:
                    upstream = await self._send(work, target, key, "whole", asked)
                    asked = await carry_whole(work, translator, upstream, self.settings.timeouts)
            except UpstreamRefusal as refusal:
                error = translator.decode_error(refusal.status, refusal.headers, refusal.body)
                teaches = refusal.status in _TEACHING and lessons < MAX_LESSONS
                if not (teaches and self._heals(translator, error, refusal.body, target)):
                    raise error from None
            except UpstreamError as told:
                if not (told.said and lessons < MAX_LESSONS and self._heals(translator, told, told.said, target)):
                    raise
                forget_way(told)
                work.progress.answering = False
            else:
                return
            lessons += 1

    def _relay(self, work: Work, translator: Translator, upstream: UpstreamCall, send: Send) -> Awaitable[None]:
        relay = work.relay = StreamRelay(work, translator, upstream, send, self.settings.timeouts)
        return relay.run()

    def _heals(self, translator: Translator, error: ApiError, body: bytes, target: Target) -> bool:
        """Whether one more try makes sense. What was learned for all requests to come is told."""
        learned = self._lessons(target).quirks
        before = dict(learned)
        if not translator.heal(error, body):
            return False
        for field, value in learned.items():
            if field not in before or before[field] != value:
                self._note(
                    f"{target.provider.name} refused a field for {target.model}: {field} is {value!r} from now on"
                )
        return True

    def _send(
        self, work: Work, target: Target, key: int, begins: Begins, encoded: UpstreamRequest
    ) -> Awaitable[UpstreamCall]:
        request = OutgoingRequest(
            method=encoded.method,
            url=target_url(target, encoded.path),
            headers=encoded.headers,
            request_id=work.call.request_id,
            body=encoded.body,
            timeouts=target.timeouts,
            begins=begins,
        )
        return self._sender.send(work, target.provider, request, key)

    async def _count_tokens(self, work: Work) -> None:
        call, progress = work.call, work.progress
        progress.client_model = decode_envelope(call.body).model
        route = self._router.resolve(progress.client_model)
        lane = self._attempts.steady(route.targets)
        target = progress.target = lane.target
        count, within_s = None, min(COUNT_WITHIN_S, self.settings.timeouts.commit_after_s)
        if target.protocol != "anthropic":
            count = await self._upstream_count(work, client_request(call, route, stream=False), lane, within_s)
        elif await self._passthrough.count_tokens(work, lane, within_s):
            return
        if count is None:
            count = await self._counter.count_body(call.body, target.model)
        await work.whole(200, JSON_HEADERS, b'{"input_tokens":%d}' % count)

    async def _upstream_count(self, work: Work, request: ClientRequest, lane: Lane, within_s: float) -> int | None:
        """What the upstream counts; None where it cannot, or not now: an estimate is better than an error."""
        target = self._fitting(lane.target, request.body)
        translator = make_translator(request, target, self._lessons(target))
        try:
            asked = translator.count_request()
        except UrlNotTaken:
            if self._fetcher is None:
                raise
            return None  # it is fetched where it is sent, and not to be counted
        if asked is None:
            return None
        try:
            async with asyncio.timeout(within_s):
                upstream = await self._send(work, target, lane.key, "head", asked)
                try:
                    await upstream.head()
                    body = await upstream.read_all(MAX_ERROR_BYTES)
                finally:
                    upstream.close()
        except (UpstreamError, TimeoutError) as error:
            forget_way(error)
            return None
        if upstream.status == 404 or cannot_count(upstream.status, target.provider):
            return None
        if upstream.status >= 400:
            refusal = translator.decode_error(upstream.status, header_map(upstream), body)
            if other_api(target, refusal) is not None:
                return None  # as a message it is answered
            raise refusal
        with suppress(UpstreamProtocolError):
            return translator.decode_count(body)
        return None

    async def _forward(self, work: Work) -> None:
        await self._passthrough.forward(work, self._router)

    def _lessons(self, target: Target) -> Learned:
        key = _key_of(target)
        learned = self._learned.get(key)
        if learned is None:
            if len(self._learned) >= MAX_LEARNED:
                self._learned.clear()
            learned = self._learned[key] = msgspec.structs.replace(self._unlearned, quirks={})
        return learned


def _key_of(target: Target) -> _Key:
    return target.provider.name, target.protocol, target.model


async def _cancelled(work: Work, task: asyncio.Task[None]) -> None:
    """The client left, or the server stops; only in the second case there is somebody to tell."""
    if work.left_as:
        task.uncancel()
        work.progress.status = work.progress.status or CLIENT_GONE
        work.progress.failed(work.left_as)
        return
    error = overloaded("shutting down", "draining")
    if work.relay is not None and work.relay.committed:
        await work.relay.fail(error)
        await work.reply.end()
    elif work.progress.status == 0:
        await work.refuse(error)
    elif work.progress.outcome == "ok":
        work.progress.failed_by(error)  # a whole answer that its client has not taken yet
    raise asyncio.CancelledError
