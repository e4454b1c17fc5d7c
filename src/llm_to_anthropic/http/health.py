"""What anybody may ask: whether the server lives, whether it can serve, whether it is there."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from llm_to_anthropic import __version__
from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.http.access import Access, is_near
from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.http.standing import Standing

OPEN_PATHS = frozenset(("/", "/api/hello", "/health", "/health/ready"))
"""Served without a client key."""

NOT_CACHED = {"cache-control": "no-store"}


def health_routes(gateway: Gateway, standing: Standing, access: Access) -> list[Route]:
    """The open routes. A server that is on its way out is alive, but not ready.

    One that refuses for overload is ready: where all are, a load balancer without any would answer for them.
    """

    async def health(_request: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def ready(request: Request) -> Response:
        if standing.draining:
            return _json(503, {"status": "draining"})
        able, details = gateway.ready()
        told: dict[str, object] = {"status": "ready" if able else "not ready"}
        found = dict(request.scope["headers"])
        if (may_know := _may_know(access, request.scope, found)) or is_near(request.scope, found):
            told |= details  # they may name accounts and files
        if may_know:
            told |= standing.told()
        return _json(200 if able else 503, told)

    async def hello(_request: Request) -> Response:
        return _json(200, {"name": "llm-to-anthropic", "version": __version__})

    return [
        Route("/health", health, methods=["GET"]),
        Route("/health/ready", ready, methods=["GET"]),
        # Claude Code asks for these two with HEAD before it starts.
        Route("/", hello, methods=["GET"]),
        Route("/api/hello", hello, methods=["GET"]),
    ]


def _may_know(access: Access, scope: Scope, found: Mapping[bytes, bytes]) -> bool:
    """Anybody may ask whether the server is ready; how busy it is, is for those who may use it."""
    try:
        access.authenticate(scope, found)
    except ClientError:
        return False
    return True


def _json(status: int, body: dict[str, object]) -> Response:
    return Response(msgspec.json.encode(body), status, NOT_CACHED, media_type="application/json")
