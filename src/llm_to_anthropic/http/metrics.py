"""GET /metrics: what there is to watch, for those who may use the server."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.http.standing import Standing
from llm_to_anthropic.observers.prometheus import CONTENT_TYPE

METRICS_PATH = "/metrics"


def metrics_routes(gateway: Gateway, standing: Standing) -> list[Route]:
    """The route, in Prometheus' text format: of all worker processes together."""

    async def metrics(_request: Request) -> Response:
        standing.measure(gateway)
        return Response(standing.metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    return [Route(METRICS_PATH, metrics, methods=["GET"])]
