"""The application: checks in their order, then the route. The two hot paths skip the router."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from llm_to_anthropic.errors import ApiError, forget_way, overloaded
from llm_to_anthropic.gateway.call import Call, Headers, Reply
from llm_to_anthropic.http.access import Access, preflight_headers
from llm_to_anthropic.http.body import (
    CLOSE,
    ClientGone,
    check_encoding,
    check_json,
    content_length,
    read_body,
    too_large,
)
from llm_to_anthropic.http.cycle import Cycle, Passed
from llm_to_anthropic.http.errors import Failures, not_found, routing_error, wrong_method
from llm_to_anthropic.http.health import OPEN_PATHS, health_routes
from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.http.metrics import METRICS_PATH, metrics_routes
from llm_to_anthropic.http.models import model_routes
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.http.telemetry import telemetry_routes
from llm_to_anthropic.settings import Settings

READ_AHEAD_BYTES = 4 * 1024 * 1024
"""Larger bodies wait with their client, which is seen to have left when their turn comes."""

NOT_FORWARDED = ("CONNECT", "TRACE")
"""One asks for a tunnel; the other's answer repeats what was asked, the upstream's key included."""
FORWARDED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""What is told to a client whose method goes nowhere."""

Answer = Callable[[Call, Reply], Awaitable[None]]


class App:
    """The application in front of one gateway."""

    def __init__(self, settings: Settings, gateway: Gateway, standing: Standing) -> None:
        self.gateway = gateway
        self.standing = standing
        self._inside = 0
        """Requests that the gateway has, or will have."""
        self._left: asyncio.Event | None = None
        self._access = Access(settings)
        self._checks = object()
        """Stands for our checks: what has passed them need not pass them again."""
        self._failures = Failures(gateway)
        self._max_body_bytes = settings.limits.max_body_bytes
        self._direct: dict[str, Answer] = {
            "/v1/messages": gateway.messages,
            "/v1/messages/count_tokens": gateway.count_tokens,
        }
        routes = health_routes(gateway, standing, self._access) + metrics_routes(gateway, standing)
        routes += model_routes(gateway) + telemetry_routes()
        self._router = Router(routes, redirect_slashes=False, default=self._elsewhere)

    async def serve(self, cycle: Cycle) -> None:
        """Serves one request. Nothing but cancellation leaves it as an exception."""
        try:
            passed = cycle.passed
            if passed is None or passed.checks is not self._checks:
                passed = cycle.passed = self._check(cycle)
            if passed is None:
                await self._ordinary(cycle)
            else:
                await self._hand_over(cycle, passed, self._direct[cycle.scope["path"]])
        except ApiError as error:
            forget_way(error)
            await self._failures.refuse(cycle, error)
        except HTTPException as error:
            await self._failures.refuse(cycle, routing_error(cycle.scope, error))
        except ClientGone:
            self._failures.record_gone(cycle)
        except asyncio.CancelledError:
            if not cycle.handed_over:  # the server stops, and the gateway tells those whom it has
                await self._failures.refuse(cycle, overloaded("shutting down", "draining", CLOSE))
            raise
        except Exception:
            # The last resort: whatever happens, the client gets an envelope and the log the traceback.
            await self._failures.crash(cycle)
        finally:
            if cycle.inside:
                self._let_out(cycle)
            cycle.served()

    def _check(self, cycle: Cycle) -> Passed | None:
        """Raises ApiError. None for what is not on a hot path: its client key is still to be checked."""
        scope, found = cycle.scope, cycle.found
        self._access.check_host(scope, found)
        cycle.cors = self._access.check_origin(found)
        if scope["path"] not in self._direct or scope["method"] != "POST":
            return None
        cycle.keys, cycle.client_key = self._access.authenticate(scope, found)
        check_json(found)
        return self._passed(cycle)

    def _passed(self, cycle: Cycle) -> Passed:
        scope, found = cycle.scope, cycle.found
        check_encoding(found)
        headers: Headers = scope["headers"]
        if cycle.keys:
            # Our own client key is no business of any upstream.
            headers = _without(cycle.keys, headers, found)
        raw_path, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("latin-1")
        return Passed(self._checks, cycle.cors, cycle.keys, cycle.client_key, headers, raw_path, query)

    def _hand_over(self, cycle: Cycle, passed: Passed, answer: Answer) -> Awaitable[None]:
        """Finds the request a place, reads its body and lets the gateway answer."""
        cycle.cors, cycle.keys, cycle.client_key = passed.cors, passed.keys, passed.client_key
        standing = self.standing
        if standing.draining or not standing.may_stream:
            cycle.keep_alive = False  # another server, or this one later, has more room for the next
        self._inside += 1
        cycle.inside = True
        cycle.has_place = standing.admission.enter()
        body = cycle.arrived() if cycle.has_place else None
        if body is None:
            return self._hand_over_later(cycle, passed, answer)
        return self._begin(cycle, passed, answer, body)

    async def _hand_over_later(self, cycle: Cycle, passed: Passed, answer: Answer) -> None:
        """The same for what has to wait, for its place or its body."""
        if not cycle.has_place:
            await self._wait_for_place(cycle)
            cycle.has_place = True
        body = cycle.arrived()
        if body is None:
            body = await self._body(cycle)
        answering = self._begin(cycle, passed, answer, body)
        del body  # an answer may run for long
        await answering

    def _begin(self, cycle: Cycle, passed: Passed, answer: Answer, body: bytes) -> Awaitable[None]:
        if len(body) > self._max_body_bytes:
            raise too_large(self._max_body_bytes)
        scope = cycle.scope
        call = Call(
            cycle.request_id,
            scope["method"],
            scope["path"],
            passed.raw_path,
            passed.query,
            passed.headers,
            cycle.found,
            body,
            cycle.started,
            passed.client_key,
            self.standing.may_stream,
            self.standing.pressure,
        )
        cycle.handed_over = True
        return answer(call, cycle)

    def _let_out(self, cycle: Cycle) -> None:
        if cycle.has_place:
            self.standing.admission.leave(cycle.place_key)
        self._inside -= 1
        if self._left is not None and not self._inside:
            self._left.set()

    async def retire(self) -> None:
        """After the last request came: closes the gateway once all are answered."""
        if self._inside:
            self._left = asyncio.Event()
            await self._left.wait()
        await self.gateway.close()

    async def _wait_for_place(self, cycle: Cycle) -> None:
        """Raises ApiError where there is none, before a body is read that nobody needs, and ClientGone."""
        key = _place_key(cycle)
        ahead = self._read_ahead(cycle)
        try:
            entered = await self.standing.admission.wait(key, cycle.when_left)
        except ApiError as error:
            if cycle.more_body:
                error.headers.update(CLOSE)
            raise
        finally:
            if ahead:
                cycle.read_ahead(0)
                self.standing.pressure.redeem(ahead)
        if not entered:
            raise ClientGone
        cycle.place_key = key

    def _read_ahead(self, cycle: Cycle) -> int:
        """Has the body of a request that waits read on. Gives its bytes, which are set aside; 0 for one too large."""
        size = content_length(cycle.found) or READ_AHEAD_BYTES
        if not cycle.more_body or size > READ_AHEAD_BYTES or not self.standing.pressure.pledge(size):
            return 0
        cycle.read_ahead(size)
        return size

    async def _body(self, cycle: Cycle) -> bytes:
        """Waits for the body, with memory set aside for it."""
        size, pressure = content_length(cycle.found), self.standing.pressure
        if size > self._max_body_bytes:
            raise too_large(self._max_body_bytes)
        if not pressure.pledge(size):
            raise overloaded(f"short of memory for a request of {size} bytes", "memory", CLOSE)
        try:
            return await read_body(cycle.receive, cycle.found, self._max_body_bytes)
        finally:
            pressure.redeem(size)

    async def _ordinary(self, cycle: Cycle) -> None:
        scope, found = cycle.scope, cycle.found
        path: str = scope["path"]
        if cycle.cors and scope["method"] == "OPTIONS" and b"access-control-request-method" in found:
            await cycle.whole(204, preflight_headers(found), b"")
            return
        if path not in OPEN_PATHS:
            cycle.keys, cycle.client_key = self._access.authenticate(scope, found)
            if path != METRICS_PATH:  # an overloaded server is just what somebody wants to look at
                self.standing.admission.check_open()
        if path in self._direct:
            raise wrong_method(scope, ["POST"])
        scope["app"] = self  # so that the router raises a 405 instead of answering in plain text
        scope["cycle"] = cycle
        await self._router(scope, cycle.receive, cycle.send)
        if path not in OPEN_PATHS and path != METRICS_PATH:
            self._failures.record(cycle, cycle.status)

    async def _elsewhere(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """A path without a route of its own: the gateway may know an upstream that has it."""
        cycle: Cycle = scope["cycle"]
        if not _is_api_path(scope["path"]):
            raise not_found(scope)
        if scope["method"] in NOT_FORWARDED:
            raise wrong_method(scope, FORWARDED_METHODS)
        await self._hand_over(cycle, self._passed(cycle), self.gateway.forward)


def _without(names: Sequence[bytes], headers: Headers, found: Mapping[bytes, bytes]) -> Headers:
    """The headers of other names; `found` is the last of each name."""
    if len(found) != len(headers):  # some are repeated
        return [header for header in headers if header[0] not in names]
    rest = headers.copy()
    for name in names:
        rest.remove((name, found[name]))
    return rest


def _is_api_path(path: str) -> bool:
    # Dot segments and empty ones could lead an upstream to another path than the one that was checked.
    match path.split("/"):
        case ["", "v1", "v1", *_]:
            return False
        case ["", "v1", _, *_] as segments:
            return not {"", ".", ".."}.intersection(segments[2:])
        case _:
            return False


def _place_key(cycle: Cycle) -> bytes:
    """Who has places in common: the client key, or the address where there are no client keys."""
    if cycle.keys:
        return cycle.found[cycle.keys[0]]
    client = cycle.scope["client"]
    return client[0].encode() if client else b"-"
