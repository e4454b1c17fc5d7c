"""GET /v1/models: shape, pages, single models."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.http.fake import MODELS, UNLISTED, front

IDS = [entry.id for entry in MODELS]


async def test_model_has_anthropics_fields() -> None:
    """Each model carries the fields of Anthropic's current type."""
    async with front() as server:
        answer = await server.request("GET", "/v1/models/claude-one")
    assert answer.json() == {
        "type": "model",
        "id": "claude-one",
        "display_name": "CLAUDE-ONE",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": 200_000,
        "max_tokens": None,
        "capabilities": None,
    }


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("", IDS, False),
        ("?limit=1000", IDS, False),
        ("?limit=2", IDS[:2], True),
        (f"?limit=2&after_id={IDS[1]}", IDS[2:4], True),
        (f"?limit=2&after_id={quote(IDS[2], safe='')}", IDS[3:], False),
        (f"?after_id={IDS[-1]}", [], False),
        (f"?limit=2&before_id={IDS[3]}", IDS[1:3], True),
        (f"?limit=3&before_id={IDS[3]}", IDS[:3], False),
        (f"?before_id={IDS[0]}", [], False),
        ("?lifecycle[]=retired", [], False),
        ("?lifecycle[]=retired&lifecycle[]=active", IDS, False),
        ("?unknown=parameter", IDS, False),
    ],
)
async def test_page(query: str, ids: list[str], has_more: bool) -> None:
    """limit, after_id and before_id cut the list as Anthropic's API does."""
    async with front() as server:
        answer = (await server.request("GET", f"/v1/models{query}")).json()
    assert [model["id"] for model in answer["data"]] == ids
    assert answer["has_more"] is has_more
    assert (answer["first_id"], answer["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "limit=1e3", "after_id=nothing", "before_id=nothing"],
)
async def test_wrong_parameter_is_400(query: str) -> None:
    """A parameter that makes no sense is named in a 400."""
    async with front() as server:
        answer = await server.request("GET", f"/v1/models?{query}")
    assert answer.error == (400, "invalid_request_error")
    assert query.partition("=")[0] in answer.json()["error"]["message"]


@pytest.mark.parametrize("spelling", ["openai/gpt-one", "openai%2Fgpt-one", "openai%2fgpt%2Done"])
async def test_model_id_may_hold_slashes(spelling: str) -> None:
    """An id with a slash is found, plain or percent-encoded."""
    async with front() as server:
        answer = await server.request("GET", f"/v1/models/{spelling}")
    assert answer.json()["id"] == "openai/gpt-one"


async def test_model_that_is_served_can_be_shown() -> None:
    """What requests may name is found by its id, also where the list has other names alone."""
    async with front() as server:
        answer = await server.request("GET", f"/v1/models/{UNLISTED.id}")
    assert (answer.status, answer.json()["id"]) == (200, UNLISTED.id)


@pytest.mark.parametrize("model_id", ["gpt-none", "", "openai/", "../models"])
async def test_unknown_model_is_404(model_id: str) -> None:
    """A model that nobody knows is a not_found_error that names it."""
    async with front() as server:
        answer = await server.request("GET", f"/v1/models/{model_id}")
    assert answer.error == (404, "not_found_error")


async def test_head_has_no_body() -> None:
    """HEAD tells the length and sends nothing."""
    async with front() as server, server.connect() as client:
        await client.send(server.encode("HEAD", "/v1/models"))
        answer = await client.response(head_only=True)
        await client.send(server.encode("GET", "/v1/models"))
        whole = await client.response()
    assert answer.header("content-length") == str(len(whole.body))


async def test_list_is_recorded() -> None:
    """A served list is one line of the log, like any request."""
    async with front() as server:
        await server.request("GET", "/v1/models")
    assert [(record.path, record.status, record.outcome) for record in server.gateway.exchanges] == [
        ("/v1/models", 200, "ok")
    ]
