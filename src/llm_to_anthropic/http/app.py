"""The application: checks in their order, then the route. The two hot paths skip the router."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from llm_to_anthropic.errors import ApiError, overloaded
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
from llm_to_anthropic.http.cycle import AsgiCycle, Cycle
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

Answer = Callable[[Call, Reply], Awaitable[None]]


class App:
    """The ASGI application in front of one gateway."""

    def __init__(self, settings: Settings, gateway: Gateway, standing: Standing) -> None:
        self.gateway = gateway
        self.standing = standing
        self._inside = 0
        """Requests that the gateway has, or will have."""
        self._left: asyncio.Event | None = None
        self._access = Access(settings)
        self._failures = Failures(gateway)
        self._max_body_bytes = settings.limits.max_body_bytes
        self._direct: dict[str, Answer] = {
            "/v1/messages": gateway.messages,
            "/v1/messages/count_tokens": gateway.count_tokens,
        }
        routes = health_routes(gateway, standing, self._access) + metrics_routes(gateway, standing)
        routes += model_routes(gateway) + telemetry_routes()
        self._router = Router(routes, redirect_slashes=False, default=self._elsewhere)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request of any ASGI server."""
        await self.serve(AsgiCycle(self.standing.request_ids.next(), scope, receive, send))

    async def serve(self, cycle: Cycle) -> None:
        """Serves one request. Nothing but cancellation leaves it as an exception."""
        scope, found = cycle.scope, cycle.found
        try:
            self._access.check_host(scope, found)
            cycle.cors = self._access.check_origin(found)
            answer = self._direct.get(scope["path"])
            if answer is None or scope["method"] != "POST":
                await self._ordinary(cycle)
                return
            cycle.keys, cycle.client_key = self._access.authenticate(scope, found)
            check_json(found)
            await self._hand_over(cycle, answer)
        except ApiError as error:
            await self._failures.refuse(cycle, error)
        except HTTPException as error:
            await self._failures.refuse(cycle, routing_error(scope, error))
        except ClientGone:
            self._failures.record_gone(cycle)
        except Exception:
            # The last resort: whatever happens, the client gets an envelope and the log the traceback.
            await self._failures.crash(cycle)

    async def _hand_over(self, cycle: Cycle, answer: Answer) -> None:
        """Finds the request a place, reads its body and lets the gateway answer."""
        check_encoding(cycle.found)
        standing = self.standing
        if not standing.keeps_connections:
            cycle.keep_alive = False
        self._inside += 1
        has_place = standing.admission.enter()
        try:
            if not has_place:
                await self._wait_for_place(cycle)
                has_place = True
            body = cycle.arrived()
            call = self._call(cycle, await self._body(cycle) if body is None else body)
            cycle.handed_over = True
            await answer(call, cycle)
        finally:
            if has_place:
                standing.admission.leave(cycle.place_key)
            self._inside -= 1
            if self._left is not None and not self._inside:
                self._left.set()

    async def retire(self) -> None:
        """After the last request came: closes the gateway once all are answered."""
        if self._inside:
            self._left = asyncio.Event()
            await self._left.wait()
        await self.gateway.close()

    def _call(self, cycle: Cycle, body: bytes) -> Call:
        if len(body) > self._max_body_bytes:
            raise too_large(self._max_body_bytes)
        scope = cycle.scope
        headers: Headers = scope["headers"]
        if cycle.keys:
            # Our own client key is no business of any upstream.
            headers = _without(cycle.keys, headers, cycle.found)
        return Call(
            request_id=cycle.request_id,
            method=scope["method"],
            path=scope["path"],
            raw_path=scope["raw_path"].decode("ascii"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            found=cycle.found,
            body=body,
            started=cycle.started,
            client_key=cycle.client_key,
            may_stream=self.standing.may_stream,
        )

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
            if path != METRICS_PATH:  # what is overloaded is what somebody wants to see
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
        await self._hand_over(cycle, self.gateway.forward)


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


def create_app(settings: Settings, gateway: Gateway, standing: Standing | None = None) -> App:
    """The ASGI application of these settings."""
    return App(settings, gateway, standing or Standing(settings))
