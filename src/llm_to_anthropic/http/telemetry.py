"""Where signed-in clients post their OpenTelemetry: taken and discarded, since a refusal is logged at every flush."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def telemetry_routes() -> list[Route]:
    """POST /v1/metrics, /v1/logs and /v1/traces."""
    return [Route(f"/v1/{kind}", _discard, methods=["POST"]) for kind in ("metrics", "logs", "traces")]


async def _discard(_request: Request) -> Response:
    return Response(b"{}", media_type="application/json")
