"""GET /v1/models and /v1/models/{id}, in Anthropic's shape and pagination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.http.interface import Gateway
from llm_to_anthropic.routing import ModelEntry

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000
UNKNOWN_DATE = "1970-01-01T00:00:00Z"
"""Anthropic's own `created_at` where the date is not known."""


class ModelInfo(msgspec.Struct, kw_only=True):
    """A model as clients see it."""

    type: Literal["model"] = "model"
    id: str
    display_name: str
    created_at: str = UNKNOWN_DATE
    lifecycle: Literal["active"] = "active"
    deprecated_at: None = None
    retires_at: None = None
    line: str | None
    max_input_tokens: int | None
    max_tokens: int | None
    capabilities: None = None


class ModelPage(msgspec.Struct, kw_only=True):
    """One page of the list."""

    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None


def model_routes(gateway: Gateway) -> list[Route]:
    """The routes of the model list."""

    async def list_models(request: Request) -> Response:
        return _json(page(gateway.models(), request.query_params))

    async def show_model(request: Request) -> Response:
        return _json(_info(gateway.model(request.path_params["model_id"])))

    return [
        Route("/v1/models", list_models, methods=["GET"]),
        # Ids may hold slashes, as such or percent-encoded.
        Route("/v1/models/{model_id:path}", show_model, methods=["GET"]),
    ]


def page(entries: Sequence[ModelEntry], query: QueryParams) -> ModelPage:
    """The page that `limit`, `after_id`, `before_id` and `lifecycle[]` ask for. Raises ClientError."""
    limit = _limit(query.get("limit"))
    after, before = query.get("after_id"), query.get("before_id")
    if after is not None and before is not None:
        raise ClientError("after_id, before_id: only one of them can be given")
    lifecycles = query.getlist("lifecycle[]") + query.getlist("lifecycle")
    if lifecycles and "active" not in lifecycles:
        return _page([], has_more=False)
    if before is not None:
        end = _position(entries, before, "before_id")
        start = max(0, end - limit)
        return _page(entries[start:end], has_more=start > 0)
    start = 0 if after is None else _position(entries, after, "after_id") + 1
    return _page(entries[start : start + limit], has_more=start + limit < len(entries))


def _page(entries: Sequence[ModelEntry], *, has_more: bool) -> ModelPage:
    data = [_info(entry) for entry in entries]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return ModelPage(data=data, has_more=has_more, first_id=first, last_id=last)


def _info(entry: ModelEntry) -> ModelInfo:
    return ModelInfo(
        id=entry.id,
        display_name=entry.display_name,
        line=entry.line,
        max_input_tokens=entry.max_input_tokens,
        max_tokens=entry.max_tokens,
    )


def _limit(given: str | None) -> int:
    if given is None:
        return DEFAULT_LIMIT
    if given.isascii() and given.isdecimal() and len(given) <= 4 and 1 <= int(given) <= MAX_LIMIT:
        return int(given)
    raise ClientError(f"limit: must be a whole number from 1 to {MAX_LIMIT}")


def _position(entries: Sequence[ModelEntry], model_id: str, parameter: str) -> int:
    for position, entry in enumerate(entries):
        if entry.id == model_id:
            return position
    raise ClientError(f"{parameter}: no model {model_id[:200]!r} in the list")


def _json(body: ModelInfo | ModelPage) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
