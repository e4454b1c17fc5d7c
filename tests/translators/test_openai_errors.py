"""Errors of servers that speak OpenAI's APIs reach the client as the errors on which Anthropic clients act."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.gateway.judgement import REQUESTS_FAULT, judge
from llm_to_anthropic.providers.provider import Credential, Secret
from llm_to_anthropic.translators.openai.errors import embedded_error
from tests.translators.openai_errors import context, error


@pytest.mark.parametrize(
    ("status", "body", "expected", "kind"),
    [
        (400, {"error": {"message": "Boom"}}, 400, "invalid_request_error"),
        (409, {"error": {"message": "Boom"}}, 400, "invalid_request_error"),
        (422, {"error": {"message": "Boom"}}, 400, "invalid_request_error"),
        (401, {"error": {"message": "Boom"}}, 401, "authentication_error"),
        (400, {"error": {"message": "API key not valid."}}, 401, "authentication_error"),
        (402, {"error": {"message": "Boom"}}, 402, "billing_error"),
        (429, {"error": {"message": "Boom", "code": "insufficient_quota"}}, 402, "billing_error"),
        (400, {"error": {"message": "Your credit balance is too low"}}, 402, "billing_error"),
        (429, {"error": {"message": "Boom", "type": "exceeded_current_quota_error"}}, 402, "billing_error"),
        (429, {"error": "Your team has either used all available credits or reached its limit"}, 402, "billing_error"),
        (400, {"error": {"message": "Boom", "type": "Arrearage", "code": "Arrearage"}}, 402, "billing_error"),
        (403, {"error": {"message": "Boom", "code": "AllocationQuota.FreeTierOnly"}}, 402, "billing_error"),
        (429, {"error": {"message": "Boom", "code": "PrepaidBillOverdue"}}, 402, "billing_error"),
        (403, {"error": {"message": "用户额度不足", "code": "insufficient_user_quota"}}, 402, "billing_error"),
        (403, {"error": {"message": "Boom", "code": "pre_consume_token_quota_failed"}}, 402, "billing_error"),
        (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}, 402, "billing_error"),
        (403, {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "not enough balance"}, 402, "billing_error"),
        (429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}, 402, "billing_error"),
        (403, {"error": {"message": "Boom"}}, 403, "permission_error"),
        (404, {"error": {"message": "Boom"}}, 404, "not_found_error"),
        (400, {"error": {"message": "The model `x` does not exist"}}, 404, "not_found_error"),
        (400, {"error": {"message": "x is not a valid model ID", "code": 400}}, 404, "not_found_error"),
        (400, {"message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, 404, "not_found_error"),
        (
            400,
            {"error": {"message": "Unknown Model, please check the model code.", "code": "1211"}},
            404,
            "not_found_error",
        ),
        (400, {"error": {"message": "invalid params, unknown model 'x' (2013)"}}, 404, "not_found_error"),
        (400, {"error": {"message": "/x: Invalid model name passed in model=x."}}, 404, "not_found_error"),
        (400, {"error": {"message": "Boom", "code": "model_not_supported"}}, 404, "not_found_error"),
        (503, {"error": {"message": "No available channel", "code": "model_not_found"}}, 404, "not_found_error"),
        (400, {"error": {"message": "Boom", "code": "model_not_available"}}, 404, "not_found_error"),
        (400, {"error": {"message": "Boom", "code": "model_decommissioned"}}, 404, "not_found_error"),
        (408, {"error": {"message": "Boom"}}, 408, "timeout_error"),
        (413, {"error": {"message": "Boom"}}, 413, "request_too_large"),
        (429, {"error": {"message": "Boom"}}, 429, "rate_limit_error"),
        (429, {"error": {"message": "The engine is currently overloaded"}}, 529, "overloaded_error"),
        (
            400,
            {"status": 400, "detail": "Function id 'x': DEGRADED function cannot be invoked"},
            529,
            "overloaded_error",
        ),
        (400, {"error": {"message": "Boom", "code": "tool_use_failed"}}, 400, "invalid_request_error"),
        (400, {"error": {"message": "Boom", "code": "output_parse_failed"}}, 400, "invalid_request_error"),
        (500, {"error": {"message": "Boom"}}, 500, "api_error"),
        (502, b"Bad Gateway", 502, "api_error"),
        (520, b"", 502, "api_error"),
        (503, b"Service unavailable", 529, "overloaded_error"),
        (504, {"error": {"message": "Boom"}}, 504, "timeout_error"),
        (302, b"", 502, "api_error"),
    ],
)
def test_status_and_type(status: int, body: object, expected: int, kind: str) -> None:
    """Each status, and what overrules it, has Anthropic's status and type."""
    found = error(status, body)
    assert (found.status, found.type) == (expected, kind)


SAID = (
    "The transfer failed: insufficient funds, insufficient balance.",
    "Your API key is invalid.",
    "The model of the ship was not found.",
    "The server is overloaded.",
    "Explain a model's context window.",
)


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize(
    "quoted",
    [
        "[{{'type': 'string_type', 'loc': ('body', 'x'), 'msg': 'Input should be a valid string', 'input': {!r}}}]",
        "1 error for Request\nx\n  Input should be a valid string [type=string_type, input_value={!r}, input_type=str]",
        "Invalid schema for function 'f': In context=('properties', {!r}, 'type'), 'x' is not valid under any of the "
        "given schemas.",
    ],
    ids=["vLLM", "Pydantic", "OpenAI"],
)
def test_what_a_client_said_does_not_take_a_key_or_model_out_of_use(quoted: str, said: str) -> None:
    """Some servers repeat what they refuse: whoever wrote of an empty account has not emptied one."""
    found = error(400, {"object": "error", "message": quoted.format(said), "type": "BadRequestError", "code": 400})
    assert found.status == 400
    assert found.message.startswith("upstream (acme): ")
    assert judge(found) == REQUESTS_FAULT


@pytest.mark.parametrize(
    "message",
    [
        "Invalid schema for function 'connect': In context=('properties', 'api_key', 'type'), 'string | null' is not "
        "valid under any of the given schemas.",
        "Invalid schema for function 'api_key': [] is not valid under any of the given schemas",
        "tools.0.parameters.properties.api_key: invalid type",
    ],
)
def test_a_tool_with_a_property_called_like_a_key_does_not_take_the_key_out_of_use(message: str) -> None:
    """OpenAI refuses the schema of one client's tool: the key is sound, and others go on with it."""
    found = error(400, {"error": {"message": message, "type": "invalid_request_error", "code": None}})
    assert found.status == 400
    assert judge(found) == REQUESTS_FAULT


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({"error": {"message": "Boom"}}, "Boom", id="OpenAI"),
        pytest.param({"error": "Boom"}, "Boom", id="text"),
        pytest.param({"detail": "Boom"}, "Boom", id="detail"),
        pytest.param({"detail": [{"loc": ["body", "top_k"], "msg": "Boom"}]}, "body.top_k: Boom", id="list of details"),
        pytest.param(
            {"object": "error", "message": {"detail": [{"loc": ["body", "top_k"], "msg": "Boom"}]}},
            "body.top_k: Boom",
            id="Mistral's list of details",
        ),
        pytest.param(
            {"error": {"message": {"detail": [{"loc": ["body", "top_k"], "msg": "Boom"}]}}},
            "body.top_k: Boom",
            id="list of details within an error",
        ),
        pytest.param(
            {"error": {"message": "Param Incorrect", "param": "top_k is bad"}},
            "Param Incorrect: top_k is bad",
            id="a sentence in place of the parameter",
        ),
        pytest.param({"error": {"message": "Boom", "param": "messages[0].role"}}, "Boom", id="a parameter"),
        pytest.param({"message": "Boom"}, "Boom", id="message"),
        pytest.param({"object": "error", "message": "Boom", "code": 400}, "Boom", id="vLLM"),
        pytest.param([{"error": {"message": "Boom"}}], "Boom", id="in a list"),
        pytest.param(
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error":{"message":"Boom"}}'}}},
            "Provider returned error: Boom",
            id="OpenRouter",
        ),
        pytest.param(
            {"error": {"message": "Provider returned error", "metadata": {"raw": "Boom"}}},
            "Provider returned error: Boom",
            id="OpenRouter's text",
        ),
        pytest.param(b"Boom", "Boom", id="plain text"),
        pytest.param(b'{"error": {"message": "Boo\xff"}}', "Boo\ufffd", id="not UTF-8"),
    ],
)
def test_upstreams_words_are_passed_on(body: object, text: str) -> None:
    """Whatever the form of an error, its words reach the user, with the provider's name."""
    assert error(400, body).message == f"upstream (acme): {text}"


@pytest.mark.parametrize(
    "body",
    [b"<!DOCTYPE html><html><body>502</body></html>", b"", b"{}", {"error": {"message": "<html>x"}}],
    ids=["web page", "nothing", "empty object", "web page in JSON"],
)
def test_unreadable_error_has_words_of_ours(body: object) -> None:
    """Web pages and empty bodies become a sentence."""
    assert error(502, body).message == "upstream (acme) answered with an error and said nothing readable"


def test_long_text_is_cut() -> None:
    """An error is no place for a dump."""
    assert len(error(400, {"error": {"message": "word " * 5000}}).message) < 2100


@pytest.mark.parametrize("code", ["cyber_policy", "content_policy_violation", "content_filter"])
def test_flagged_request_inside_a_stream(code: str) -> None:
    """What was flagged (OpenAI, Azure) would be flagged again: clients do not repeat a 400."""
    found = embedded_error(json.dumps({"code": code, "message": "This was flagged.", "type": None}).encode(), context())
    assert (found.status, found.type, found.headers["x-should-retry"]) == (400, "invalid_request_error", "false")


@pytest.mark.parametrize(
    ("status", "expected"), [(400, "false"), (401, "false"), (402, "false"), (429, None), (500, None)]
)
def test_hopeless_errors_are_not_retried(status: int, expected: str | None) -> None:
    """Clients retry much that cannot get better: they are told."""
    assert error(status, {"error": {"message": "Boom"}}).headers.get("x-should-retry") == expected


@pytest.mark.parametrize(
    "text",
    ["Incorrect API key provided: test-key.", "Your key ab12****yz is wrong", "Key 8f14e45fceea167a is unknown"],
)
def test_refused_key_is_never_echoed(text: str) -> None:
    """A refused key is the proxy's matter: the error names the setting and no part of the key."""
    found = error(401, {"error": {"message": text}})
    assert found.message == "upstream (acme) refused the proxy's key (set ACME_API_KEY to a valid one)"


def test_reason_of_a_refused_key_is_told() -> None:
    """Words that cannot hold a key are worth passing on."""
    assert error(401, {"error": {"message": "Your account is suspended."}}).message.endswith(
        ": Your account is suspended."
    )


@pytest.mark.parametrize(
    ("credential", "said"),
    [
        (Credential(client=True), "refused your key, which this proxy passes on"),
        (Credential(), "set a valid api_key for this provider"),
    ],
    ids=["the client's", "without a variable"],
)
def test_refused_key_names_its_owner(credential: Credential, said: str) -> None:
    """The error says whose key was refused."""
    assert said in error(401, b"", credential=credential).message


def test_keys_are_masked_everywhere() -> None:
    """A key in any other error's words is masked too."""
    message = error(400, {"error": {"message": "no project for test-key, sent as Bearer abc.def here"}}).message
    assert message == "upstream (acme): no project for ***, sent as Bearer *** here"


def test_a_short_key_does_not_riddle_an_error() -> None:
    """A word that stands in for a key, at a server that wants none, is no secret: its errors are told as they are."""
    told = error(400, {"error": {"message": "exactly one"}}, credential=Credential(key=Secret("x")))
    assert told.message == "upstream (acme): exactly one"


@pytest.mark.parametrize(
    ("headers", "text", "expected"),
    [
        pytest.param({"retry-after-ms": "1500"}, "", "2", id="milliseconds"),
        pytest.param({"retry-after-ms": "0", "retry-after": "1"}, "", "1", id="Azure's zero"),
        pytest.param({"retry-after": "20"}, "", "20", id="seconds"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:14:00 GMT"}, "", "40", id="date"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:10:00 GMT"}, "", "0", id="date in the past"),
        pytest.param(
            {
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-requests": "9",
                "x-ratelimit-reset-requests": "1s",
            },
            "",
            "360",
            id="reset of what is used up",
        ),
        pytest.param({}, "Please try again in 1.5s.", "2", id="words"),
        pytest.param({}, "Please try again in 1m30s.", "90", id="words with minutes"),
        pytest.param({}, "Please retry after 20 seconds.", "20", id="words in full"),
        pytest.param({"retry-after": "soon"}, "", None, id="nonsense"),
        pytest.param({"retry-after": "nan"}, "", None, id="no number"),
        pytest.param({"retry-after": "999999999999"}, "", None, id="too long"),
        pytest.param({}, "", None, id="nothing"),
    ],
)
def test_retry_after(headers: dict[str, str], text: str, expected: str | None) -> None:
    """Every spelling of a wait becomes whole seconds, rounded up."""
    assert error(429, {"error": {"message": text}}, headers).headers.get("retry-after") == expected


def test_overload_keeps_its_wait() -> None:
    """An overloaded upstream may say when to come back."""
    assert error(503, b"", {"retry-after": "3"}).headers["retry-after"] == "3"


def test_rate_limits_are_told() -> None:
    """Limits come in Anthropic's headers, resets as instants."""
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-reset-tokens": "1h2m3.5s",
        "x-ratelimit-remaining-tokens": "many",
    }
    assert error(429, b"", headers).headers == {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "59",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:21Z",
        "anthropic-ratelimit-tokens-limit": "150000",
        "anthropic-ratelimit-tokens-reset": "2023-11-14T23:15:24Z",
    }


def test_unknown_model_is_the_clients_name() -> None:
    """Who asked for a model finds his own name of it in the error."""
    assert error(404, {"error": {"message": "no such model"}}).message == (
        "model: claude-x - upstream (acme): no such model"
    )


@pytest.mark.parametrize(("status", "wording"), [(413, "Request exceeds the maximum size"), (503, "Overloaded")])
def test_wordings_that_clients_know(status: int, wording: str) -> None:
    """Anthropic's own words come first where clients look for them."""
    assert error(status, b"Boom").message == f"{wording} - upstream (acme): Boom"


@pytest.mark.parametrize(
    "body",
    [
        {"msg": "Boom"},
        {"error": {"msg": "Boom"}},
        {"error": {"message": {"detail": "Boom"}}},
        {"errors": [{"message": "Boom"}], "success": False},
        {"error_code": 17, "error_msg": "Boom"},
        {"Message": "Boom"},
        {"fault": {"faultstring": "Boom"}},
        {"base_resp": {"status_code": 1004, "status_msg": "Boom"}},
    ],
    ids=lambda body: next(iter(body)),
)
def test_words_are_found_wherever_they_stand(body: object) -> None:
    """Whoever is to mend an error has to read it, whatever the server or a gateway before it calls it."""
    assert error(400, body).message == "upstream (acme): Boom"


def test_ids_of_the_account_are_not_told() -> None:
    """Who pays is no business of a client: organisation and project ids are masked."""
    message = error(
        429, {"error": {"message": "Rate limit reached in organization org-Ab12Cd34 (proj_ab12cd34)."}}
    ).message
    assert message == "upstream (acme): Rate limit reached in organization *** (***)."


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"code": "rate_limit_exceeded", "message": "Limit reached. Please try again in 11.054s. Visit ..."}, "12"),
        ({"type": "rate_limit_error", "message": "Slow down.", "retry_after": 3}, "3"),
        ({"type": "usage_limit_reached", "message": "The limit has been reached", "resets_in_seconds": 9568}, "9568"),
        ({"code": "rate_limit_exceeded", "message": "Limit reached."}, None),
        ({"code": "insufficient_quota", "message": "Please try again in 5s."}, None),
    ],
)
def test_error_inside_an_answer_says_when_to_come_back(told: dict[str, object], seconds: str | None) -> None:
    """OpenAI tells rate limits amid its streams too, and the pause that it asks for stands in the words alone."""
    assert embedded_error(json.dumps(told).encode(), context()).headers.get("retry-after") == seconds
