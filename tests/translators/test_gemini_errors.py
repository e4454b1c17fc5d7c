"""Google's errors become Anthropic's: status, type, wording, and what to do."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from llm_to_anthropic.providers.provider import Credential, GoogleAccount
from llm_to_anthropic.providers.quirks import GeminiQuirks
from llm_to_anthropic.translators.gemini.errors import embedded_error, http_error
from llm_to_anthropic.translators.upstream_errors import ErrorContext
from tests.translators.gemini_answers import NOW, target

Json = Any

CONTEXT = ErrorContext(target=target(), client_model="claude-x", prompt_tokens=5)
VERTEX = ErrorContext(target=target(GeminiQuirks(backend="vertex")), client_model="claude-x", prompt_tokens=5)
REASON = "type.googleapis.com/google.rpc.ErrorInfo"


def body(code: int, name: str, message: str = "as Google says", **members: Json) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": name} | members}).encode()


@pytest.mark.parametrize(
    ("http", "name", "status", "type_"),
    [
        (400, "INVALID_ARGUMENT", 400, "invalid_request_error"),
        (400, "OUT_OF_RANGE", 400, "invalid_request_error"),
        (400, "FAILED_PRECONDITION", 400, "invalid_request_error"),
        (401, "UNAUTHENTICATED", 401, "authentication_error"),
        (403, "PERMISSION_DENIED", 403, "permission_error"),
        (404, "NOT_FOUND", 404, "not_found_error"),
        (413, "", 413, "request_too_large"),
        (429, "RESOURCE_EXHAUSTED", 429, "rate_limit_error"),
        (499, "CANCELLED", 500, "api_error"),
        (500, "INTERNAL", 500, "api_error"),
        (500, "UNKNOWN", 500, "api_error"),
        (501, "UNIMPLEMENTED", 400, "invalid_request_error"),
        (503, "UNAVAILABLE", 529, "overloaded_error"),
        (504, "DEADLINE_EXCEEDED", 504, "timeout_error"),
        (502, "", 502, "api_error"),
    ],
)
def test_status(http: int, name: str, status: int, type_: str) -> None:
    """Each of Google's statuses has Anthropic's status and type."""
    error = http_error(http, {}, body(http, name), CONTEXT, NOW)
    assert (error.status, error.type) == (status, type_)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "The API has not been used in project shop-1234 before or it is disabled. Enable it by visiting "
            "https://console.test/overview?project=shop-1234 then retry.",
            "The API has not been used in project *** before or it is disabled. Enable it by visiting "
            "https://console.test/overview?project=*** then retry.",
        ),
        (
            "Permission denied on resource '//aiplatform.test/projects/shop-1234/locations/us/models/x'.",
            "Permission denied on resource '//aiplatform.test/projects/***/locations/us/models/x'.",
        ),
        (
            "Quota exceeded for consumer 'project_number:123456789012'.",
            "Quota exceeded for consumer 'project_number:***'.",
        ),
        ("The projects/shop folder and project 12 are fine", "The projects/shop folder and project 12 are fine"),
    ],
    ids=["service", "resource", "quota", "others"],
)
def test_ids_of_the_project_are_not_told(said: str, told: str) -> None:
    """Which project pays is no business of a client."""
    error = http_error(403, {}, body(403, "PERMISSION_DENIED", said), CONTEXT, NOW)
    assert error.message == f"upstream (gemini): {told}"


def test_words_are_passed_on() -> None:
    """What Google says is told, with the provider's name."""
    assert http_error(400, {}, body(400, "INVALID_ARGUMENT", "Bad zq1"), CONTEXT, NOW).message == (
        "upstream (gemini): Bad zq1"
    )


@pytest.mark.parametrize("wrapped", [False, True], ids=["object", "array"])
def test_array_around_an_error(wrapped: bool) -> None:
    """Errors of streams stand in an array of one."""
    found = body(429, "RESOURCE_EXHAUSTED", "Enough zq4")
    error = http_error(429, {}, b"[" + found + b"\n]" if wrapped else found, CONTEXT, NOW)
    assert error.status == 429
    assert "zq4" in error.message


def test_event_around_an_error() -> None:
    """The answer to a request for events may be one event whatever its status: its details count as elsewhere."""
    found = body(429, "RESOURCE_EXHAUSTED", "Enough zq4", details=[{"retryDelay": "12s"}])
    framed, plain = (http_error(429, {}, each, CONTEXT, NOW) for each in (b"data: " + found + b"\r\n\r\n", found))
    assert (framed.message, framed.headers) == (plain.message, plain.headers)


@pytest.mark.parametrize(
    "found",
    [
        body(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        body(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."),
        body(400, "INVALID_ARGUMENT", "no", details=[{"@type": REASON, "reason": "API_KEY_INVALID"}]),
    ],
    ids=["not valid", "expired", "reason"],
)
def test_wrong_key_names_the_setting(found: bytes) -> None:
    """A wrong key, which Google answers with 400, is a 401 that names the variable to set."""
    error = http_error(400, {}, found, CONTEXT, NOW)
    assert (error.status, error.type) == (401, "authentication_error")
    assert "GEMINI_API_KEY" in error.message


@pytest.mark.parametrize("name", ["api key expired", "API_KEY_INVALID", "limit: 0"])
@pytest.mark.parametrize(
    "told",
    [
        "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[{}].items: missing field",
        "Invalid JSON payload received. Unknown name \"{}\" at 'tools[0]': Cannot find field.",
    ],
)
def test_a_name_in_a_clients_tool_does_not_take_the_key_out_of_use(told: str, name: str) -> None:
    """Google repeats the names in what it refuses, which may sound like words of its own."""
    error = http_error(400, {}, body(400, "INVALID_ARGUMENT", told.format(name)), CONTEXT, NOW)
    assert (error.status, error.type) == (400, "invalid_request_error")


def test_refused_google_credentials_say_how_to_sign_in() -> None:
    """Where no key but Google's login was refused, the message says how to renew it, and not what was sent."""
    made = target(GeminiQuirks(backend="vertex"))
    login = msgspec.structs.replace(made.provider, credential=Credential(login=GoogleAccount()))
    context = msgspec.structs.replace(VERTEX, target=msgspec.structs.replace(made, provider=login))
    text = "Request had invalid authentication credentials and came with: Bearer abc1"
    error = http_error(401, {}, body(401, "UNAUTHENTICATED", text), context, NOW)
    assert error.status == 401
    assert "gcloud auth application-default login" in error.message
    assert "abc1" not in error.message


@pytest.mark.parametrize(
    "text",
    [
        "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).",
        "The input token count is 1250074 but model only supports up to 1048576.",
        "Unable to submit request because the input token count is 1250074 but model only supports up to 1048576.",
    ],
)
def test_prompt_that_is_too_long(text: str) -> None:
    """Every wording becomes the one on which clients compact."""
    error = http_error(400, {}, body(400, "INVALID_ARGUMENT", text), CONTEXT, NOW)
    assert error.message == "prompt is too long: 1250074 tokens > 1048576 maximum"
    assert (error.status, error.headers) == (400, {"x-should-retry": "false"})


def test_request_that_is_too_large() -> None:
    """Google's 400 for a large body is a 413."""
    text = "Request payload size exceeds the limit: 20971520 bytes."
    error = http_error(400, {}, body(400, "INVALID_ARGUMENT", text), CONTEXT, NOW)
    assert (error.status, error.type) == (413, "request_too_large")


@pytest.mark.parametrize(("delay", "wait"), [("12s", "12"), ("12.4s", "13"), ("0.5s", "1"), ("0s", "0")])
def test_retry_delay(delay: str, wait: str) -> None:
    """retryDelay becomes retry-after, rounded up."""
    found = body(429, "RESOURCE_EXHAUSTED", details=[{"@type": "google.rpc.RetryInfo", "retryDelay": delay}])
    assert http_error(429, {}, found, CONTEXT, NOW).headers["retry-after"] == wait


def test_quota_of_the_day() -> None:
    """A daily quota stays a rate limit, and the message says what helps."""
    violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}
    found = body(429, "RESOURCE_EXHAUSTED", details=[{"@type": "google.rpc.QuotaFailure", "violations": [violation]}])
    error = http_error(429, {}, found, CONTEXT, NOW)
    assert error.status == 429
    assert "of the day" in error.message


def test_model_without_a_free_tier() -> None:
    """A quota of zero is no matter of waiting but of billing, and clients need not try again."""
    text = "Quota exceeded for metric: generate_content_free_tier_requests, limit: 0, model: gemini-3-pro"
    error = http_error(429, {}, body(429, "RESOURCE_EXHAUSTED", text), CONTEXT, NOW)
    assert (error.status, error.type) == (402, "billing_error")
    assert error.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "text",
    [
        "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.",
        "Your project has exceeded its monthly spending cap.",
    ],
)
def test_account_without_money(text: str) -> None:
    """Spent credits come as a rate limit, but no waiting brings them back: a billing error, without a retry."""
    error = http_error(429, {}, body(429, "RESOURCE_EXHAUSTED", text), CONTEXT, NOW)
    assert (error.status, error.type) == (402, "billing_error")
    assert error.headers == {"x-should-retry": "false"}


def test_rate_limit_that_speaks_of_billing() -> None:
    """Google advises to check the plan with every rate limit: it stays one."""
    text = "You exceeded your current quota, please check your plan and billing details."
    assert http_error(429, {}, body(429, "RESOURCE_EXHAUSTED", text), CONTEXT, NOW).status == 429


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("User location is not supported for the API use.", 403),
        ("Gemini API free tier is not available in your country. Please enable billing.", 402),
    ],
)
def test_failed_precondition(text: str, status: int) -> None:
    """Where Google does not serve it is a permission error, without billing a billing error."""
    assert http_error(400, {}, body(400, "FAILED_PRECONDITION", text), CONTEXT, NOW).status == status


def test_missing_key_is_named() -> None:
    """A request without a key says which setting misses."""
    text = "Method doesn't allow unregistered callers (callers without established identity)."
    assert "set GEMINI_API_KEY" in http_error(403, {}, body(403, "PERMISSION_DENIED", text), CONTEXT, NOW).message


def test_unknown_model() -> None:
    """An unknown model is named as the client did; on Vertex AI it may be the location."""
    found = body(404, "NOT_FOUND", "models/x is not found")
    assert http_error(404, {}, found, CONTEXT, NOW).message.startswith("model: claude-x - ")
    assert "location" in http_error(404, {}, found, VERTEX, NOW).message


def test_web_page_is_not_passed_on() -> None:
    """What a proxy on the way says in HTML is left out."""
    error = http_error(502, {}, b"<html><body>Bad gateway</body></html>", CONTEXT, NOW)
    assert "<" not in error.message
    assert error.status == 502


def test_keys_are_masked() -> None:
    """Neither the key nor an access token ever stands in a message."""
    token = "ya29." + "a0AbVb" * 3
    error = http_error(400, {}, body(400, "INVALID_ARGUMENT", f"not test-key nor {token}"), CONTEXT, NOW)
    assert error.message == "upstream (gemini): not *** nor ***"


def test_error_inside_an_answer() -> None:
    """An error object within a stream is judged by its own code and name."""
    error = embedded_error(b'{"code": 503, "message": "The model is overloaded", "status": "UNAVAILABLE"}', CONTEXT)
    assert (error.status, error.type) == (529, "overloaded_error")


@pytest.mark.parametrize("found", [b"", b"null", b"[]", b"{}", b'{"error": 3}', b"\xff"])
def test_error_that_says_nothing(found: bytes) -> None:
    """Whatever an error's body is, the client gets a sentence."""
    error = http_error(500, {}, found, CONTEXT, NOW)
    assert error.status == 500
    assert error.message.startswith("upstream (gemini)")
