"""The one way in which every failure before the gateway, or despite it, leaves this server."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog
from starlette.exceptions import HTTPException
from starlette.types import Scope

from llm_to_anthropic.errors import ApiError, ClientError
from llm_to_anthropic.exchange import CLIENT_GONE, Exchange, milliseconds
from llm_to_anthropic.http.cycle import Cycle
from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.writer import error_event

_log = structlog.get_logger()


class Failures:
    """Answers failures in Anthropic's envelope and has one Exchange recorded for each request."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def refuse(self, cycle: Cycle, error: ApiError) -> None:
        """Answers an error; one that comes amid an event stream ends it with an `error` event."""
        if cycle.status == 0:
            await cycle.error(error)
        elif cycle.streaming:
            await cycle.end(error_event(error, cycle.request_id))
        self.record(cycle, error.status, error.type, error.message, error.refusal)

    async def crash(self, cycle: Cycle) -> None:
        """Answers the exception being handled with a 500 that tells nothing but the request id."""
        scope, request_id = cycle.scope, cycle.request_id
        _log.exception("internal error", request_id=request_id, method=scope["method"], path=scope["path"])
        await self.refuse(cycle, ApiError(500, f"internal error; request id {request_id} finds it in the log"))

    def record_gone(self, cycle: Cycle) -> None:
        """Records a request that ended amid its body: the client left, or the protocol refused what it sent."""
        refused = cycle.refused
        if refused is None:
            self.record(cycle, CLIENT_GONE, "client_disconnected")
        else:
            self.record(cycle, refused.status, refused.type, refused.message)

    def record(self, cycle: Cycle, status: int, outcome: str = "ok", error: str = "", refusal: str = "") -> None:
        """Has an Exchange recorded, unless the gateway does."""
        if cycle.handed_over:
            return
        self._gateway.record(
            Exchange(
                request_id=cycle.request_id,
                method=cycle.scope["method"],
                path=cycle.scope["path"],
                status=status,
                outcome=outcome,
                duration_ms=milliseconds(time.monotonic() - cycle.started),
                client_key=cycle.client_key,
                error=error,
                refusal=refusal,
            )
        )


def routing_error(scope: Scope, error: HTTPException) -> ApiError:
    """What the router refuses, in our words."""
    if error.status_code != 405:
        return ApiError(error.status_code, error.detail)
    allowed = (error.headers or {}).get("Allow", "")
    return wrong_method(scope, sorted(allowed.split(", ")))


def wrong_method(scope: Scope, allowed: Sequence[str]) -> ApiError:
    """405 with `allow`."""
    methods = ", ".join(allowed)
    return ClientError(
        f"{scope['method']} is not allowed on {scope['path']}: use {methods}", status=405, headers={"allow": methods}
    )


def not_found(scope: Scope) -> ApiError:
    """404 for a path that does not exist here."""
    path: str = scope["path"]
    return ClientError(f"not found: {scope['method']} {path[:200]}{_hint(path)}", status=404)


def _hint(path: str) -> str:
    """The base URL is the usual mistake: some clients put /v1 behind it themselves, some do not."""
    if path.startswith("/v1/v1/"):
        return "; the base URL of this client is to end without /v1"
    if path.startswith(("/messages", "/models")):
        return "; the base URL of this client is to end with /v1"
    return ""
