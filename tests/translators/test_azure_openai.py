"""What Azure OpenAI says in its own way, by either of OpenAI's APIs: its content filter, and its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import pytest

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.providers.provider import Credential, EntraAccount, Protocol, Provider, Secret, Target
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.registry import make_translator
from llm_to_anthropic.translators.translator import ClientRequest, Learned, Translator
from tests.messages import parse_events

MODELS: dict[Protocol, str] = {"openai_chat": "gpt-4.1", "openai_responses": "gpt-5"}
KEY: Final = Credential(key=Secret("test-key-of-azure"), variable="AZURE_OPENAI_API_KEY")
BODY = json.dumps({"model": "x", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}).encode()
SAFE = {"hate": {"filtered": False, "severity": "safe"}}
FILTERED = {"hate": {"filtered": True, "severity": "high"}}

by_either_api = pytest.mark.parametrize("api", list(MODELS))


def target(api: Protocol, credential: Credential = KEY) -> Target:
    base_url = "https://acme.openai.azure.com/openai/v1"
    provider = Provider(name="azure", protocol=api, base_url=base_url, credential=credential, backend="azure")
    router = Router(Settings(providers={"azure": provider}, aliases={}))
    return router.resolve(f"azure/{MODELS[api]}").targets[0]


def translator(api: Protocol, credential: Credential = KEY) -> Translator:
    request = ClientRequest(body=BODY, model="claude-x", stream=True, request_id="req_1", message_id="msg_1")
    made = make_translator(request, target(api, credential), Learned())
    made.encode()
    return made


def refused(
    api: Protocol,
    status: int,
    body: object,
    credential: Credential = KEY,
    headers: Mapping[str, str] = {},
) -> ApiError:
    return translator(api, credential).decode_error(status, headers, json.dumps(body).encode())


def sse(*events: object) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def chat_chunk(delta: object, finish: str | None = None, **fields: object) -> object:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "content_filter_results": SAFE, **fields}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}


CUT_BY_FILTER: dict[Protocol, bytes] = {
    "openai_chat": sse(
        {"id": "", "object": "", "choices": [], "prompt_filter_results": [{"content_filter_results": SAFE}]},
        chat_chunk({"role": "assistant", "content": ""}),
        chat_chunk({"content": "Some"}),
        # With the asynchronous filter a chunk has results and no delta.
        {"id": "", "object": "", "choices": [{"index": 0, "finish_reason": None, "content_filter_results": SAFE}]},
        chat_chunk({}, "content_filter", content_filter_results=FILTERED),
    )
    + b"data: [DONE]\n\n",
    "openai_responses": sse(
        {"type": "response.created", "response": {"id": "r", "status": "in_progress", "content_filters": None}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"id": "m", "type": "message", "content": []},
        },
        {"type": "response.output_text.delta", "output_index": 0, "item_id": "m", "content_index": 0, "delta": "Some"},
        {
            "type": "response.incomplete",
            "response": {
                "id": "r",
                "status": "incomplete",
                "incomplete_details": {"reason": "content_filter"},
                "content_filters": [{"blocked": True, "content_filter_results": FILTERED}],
                "output": [{"id": "m", "type": "message", "content": [{"type": "output_text", "text": "Some"}]}],
                "usage": {"input_tokens": 3, "output_tokens": 1},
            },
        },
    ),
}


@by_either_api
def test_answer_that_the_filter_cuts_is_a_refusal(api: Protocol) -> None:
    """What came before the filter struck arrives, and the message ends as a refusal."""
    made = translator(api)
    stream = made.receive_data(CUT_BY_FILTER[api]) + made.receive_eof()
    events = parse_events(stream)
    assert (made.failure, made.stop_reason) == (None, "refusal")
    text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
    assert text == "Some"


@by_either_api
def test_prompt_that_the_filter_refuses_is_the_requests_fault(api: Protocol) -> None:
    """A filtered prompt is a 400 with Azure's words, which no client need send again."""
    words = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"jailbreak": {"filtered": True}}}
    error = {"message": words, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    found = refused(api, 400, {"error": {**error, "innererror": inner}})
    assert (found.status, found.type) == (400, "invalid_request_error")
    assert found.message == f"upstream (azure): {words}"
    assert found.headers["x-should-retry"] == "false"


@by_either_api
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}},
        {"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, or have expired."},
    ],
    ids=["key", "gateway"],
)
@pytest.mark.parametrize(
    ("credential", "remedy"),
    [
        (KEY, "set AZURE_OPENAI_API_KEY to a valid one"),
        (Credential(login=EntraAccount(), variable="AZURE_CLIENT_ID"), "Cognitive Services OpenAI User"),
    ],
    ids=["with-a-key", "with-an-identity"],
)
def test_refused_credentials_are_the_proxys(api: Protocol, body: object, credential: Credential, remedy: str) -> None:
    """A key or an identity that Azure refuses is told as the proxy's own, with what mends it."""
    found = refused(api, 401, body, credential)
    assert (found.status, found.type) == (401, "authentication_error")
    assert remedy in found.message


@by_either_api
@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (404, "DeploymentNotFound", "The API deployment for this resource does not exist.", 404),
        (403, "PermissionDenied", "The principal lacks the required data action.", 403),
        (400, "OperationNotSupported", "The chatCompletion operation does not work with the specified model.", 400),
        (408, "Timeout", "The operation was timeout.", 408),
        (500, "InternalServerError", "Backend returned unexpected response.", 500),
        (503, "ServiceUnavailable", "The service is temporarily unable to process your request.", 529),
    ],
)
def test_errors_keep_their_meaning(api: Protocol, status: int, code: str, message: str, expected: int) -> None:
    """Azure's codes are words or numbers as texts; what counts is told with Anthropic's status."""
    found = refused(api, status, {"error": {"code": code, "message": message}})
    assert found.status == expected
    assert message in found.message


@by_either_api
def test_rate_limit_says_how_long_to_wait(api: Protocol) -> None:
    """A rate limit has Azure's waiting time, from the header or out of its words."""
    message = "Requests have exceeded token rate limit of your current pricing tier. Please retry after 26 seconds."
    body = {"error": {"code": "429", "message": message}}
    waits = [refused(api, 429, body, headers=headers).headers["retry-after"] for headers in ({"retry-after": "7"}, {})]
    assert waits == ["7", "26"]
