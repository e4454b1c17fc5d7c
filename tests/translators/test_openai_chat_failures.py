"""Answers that break off, are none, or carry an error fail: never a made-up ending."""

from __future__ import annotations

import json

import pytest

from tests.translators.chat_answers import DONE, FINISH, data, delta, failure, streamed, translator


def test_end_of_stream_before_the_end_is_a_failure() -> None:
    """A stream that is cut off never becomes a message."""
    assert failure(delta(content="Hel")) == (
        502,
        "api_error",
        "upstream (acme) stream ended before completion",
    )
    assert (
        failure(delta(content="Hel"), delta(content="lo")[:-20])[2] == "upstream (acme) stream ended before completion"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"", "stream ended before completion", id="nothing"),
        pytest.param(b"<!DOCTYPE html><html>log in</html>", "web page", id="web page"),
        pytest.param(b"not json at all", "neither JSON nor an event stream", id="text"),
        pytest.param(b"da", "neither JSON nor an event stream", id="a beginning"),
        pytest.param(b'{"choices": [', "no JSON", id="cut JSON"),
        pytest.param(b"{}", "no choices", id="empty object"),
        pytest.param(b'{"choices": []}', "no choices", id="no choices"),
        pytest.param(b'{"detail": "Not here"}', "Not here", id="another error form"),
        pytest.param(b'{"choices": null, "base_resp": {"status_msg": "login fail"}}', "login fail", id="MiniMax"),
        pytest.param(b"data: nonsense\n\n", "no JSON", id="chunk that is no JSON"),
        pytest.param(DONE, "no choices", id="only the end"),
        pytest.param(b"data: " + b"[" * 5000 + b"\n\n", "no JSON", id="nested deeply"),
    ],
)
def test_answer_that_is_none(body: bytes, said: str) -> None:
    """What is no answer is the upstream's failure, in words and without its web pages."""
    status, kind, message = failure(body)
    assert (status, kind) == (502, "api_error")
    assert said in message
    assert "<" not in message


@pytest.mark.parametrize("stream", [True, False], ids=["in a stream", "whole"])
@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        pytest.param({"message": "Boom", "code": 502}, 502, "api_error", id="number"),
        pytest.param({"message": "Boom", "code": "rate_limit_exceeded"}, 429, "rate_limit_error", id="name"),
        pytest.param({"message": "Boom", "type": "server_error"}, 502, "api_error", id="type"),
        pytest.param({"message": "Boom", "status_code": 400}, 400, "invalid_request_error", id="status"),
        pytest.param({"message": "Boom", "code": "slow_down"}, 529, "overloaded_error", id="overload"),
        pytest.param("Boom", 502, "api_error", id="text"),
        pytest.param(
            {"message": "Error code: 400 - {'error': {'message': 'Filtered. Boom', 'code': 'content_filter'}}"},
            400,
            "invalid_request_error",
            id="of the SDK",
        ),
        pytest.param({"message": "Boom: Error code: 429 - slow down"}, 429, "rate_limit_error", id="of the SDK within"),
        pytest.param({"message": "Error code: 401 - wrong key. Boom"}, 502, "api_error", id="of the gateway's key"),
        pytest.param({"message": "Error code: 403 - no access. Boom"}, 502, "api_error", id="of its account"),
    ],
)
def test_error_inside_an_answer(error: object, status: int, kind: str, stream: bool) -> None:
    """An error object in a 200 is the failure that it says."""
    body = data({"error": error}) if stream else json.dumps({"error": error}).encode()
    found = failure(body)
    assert found[:2] == (status, kind)
    assert "Boom" in found[2]


def test_error_after_text_ends_the_stream() -> None:
    """What came before an error stays; nothing follows it."""
    made = translator()
    before = made.receive_data(delta(content="Hel"))
    after = made.receive_data(data({"error": {"message": "Boom"}}) + delta(content="lo") + FINISH)
    assert before != b""
    assert after == b""
    assert made.failure is not None
    assert made.receive_data(FINISH) == made.receive_eof() == b""


@pytest.mark.parametrize(
    ("bare", "status"),
    [
        pytest.param({"object": "error", "message": "Boom", "type": "BadRequestError", "code": 400}, 400, id="vLLM"),
        pytest.param({"message": "Boom", "code": "rate_limit_exceeded"}, 429, id="message and code"),
        pytest.param({"detail": "Boom"}, 502, id="detail"),
        pytest.param({"object": "error", "message": "Boom", "code": "\ud800"}, 502, id="unreadable code"),
    ],
)
def test_bare_error_in_a_stream(bare: object, status: int) -> None:
    """An error without an `error` around it is no normal end, even where [DONE] follows."""
    found = failure(delta(content="Hel"), data(bare), DONE)
    assert found[0] == status
    assert "Boom" in found[2]


@pytest.mark.parametrize(
    ("told", "status"),
    [
        pytest.param({"errors": [{"message": "Boom", "code": 429}]}, 502, id="a list"),
        pytest.param({"choices": None, "base_resp": {"status_code": 1000, "status_msg": "Boom"}}, 502, id="MiniMax"),
        pytest.param(
            {"choices": [], "base_resp": {"status_code": 1008, "status_msg": "insufficient balance. Boom"}},
            402,
            id="MiniMax without money",
        ),
        pytest.param({"status": "439", "msg": "Boom", "body": None}, 502, id="iFlow"),
        pytest.param({"success": False, "code": 500, "msg": "Boom"}, 500, id="z.ai"),
        pytest.param({"error_code": 18, "error_msg": "Boom"}, 502, id="Baidu"),
        pytest.param({"fault": {"faultstring": "Boom"}}, 502, id="Apigee"),
    ],
)
def test_error_under_another_name_ends_the_stream(told: object, status: int) -> None:
    """An error is one wherever a server puts its words, also where it sends an end mark after it."""
    for before in ((delta(content="Hi"),), ()):
        failed = failure(*before, data(told), DONE)
        assert failed[0] == status
        assert "Boom" in failed[2]


@pytest.mark.parametrize(
    "told",
    [
        {"choices": None, "base_resp": {"status_code": 0, "status_msg": "success"}},
        {"choices": [], "base_resp": {"status_code": 0, "status_msg": ""}},
        {"code": 0, "msg": "ok"},
        {"code": 200, "msg": "heartbeat"},
        {"msg": "heartbeat"},
        {"choices": [], "errors": []},
        {"choices": [], "errors": None, "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
    ],
)
def test_success_in_words_is_no_error(told: object) -> None:
    """Some servers say in an event of its own, or with the usage, that all went well."""
    assert streamed(delta(content="Hi"), data(told), FINISH, data(told), DONE)["stop_reason"] == "end_turn"


def test_whole_answer_that_tells_of_spent_credits_is_not_asked_for_again() -> None:
    """What a server says in place of an answer counts as if it had said so by its status."""
    body = {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
    assert failure(json.dumps(body).encode())[:2] == (402, "billing_error")


@pytest.mark.parametrize("usage", [None, "many"], ids=["plain", "with what is no usage"])
def test_error_in_groqs_own_place_ends_the_stream(usage: object) -> None:
    """Groq tells in `x_groq` why a stream stopped early: what came is no whole answer, though [DONE] follows."""
    made = translator()
    made.receive_data(delta(content="Hel"))
    made.receive_data(data({"choices": [], "x_groq": {"error": "Boom", "usage": usage}}) + DONE)
    assert made.failure is not None
    assert (made.failure.status, made.failure.message) == (502, "upstream (acme): Boom")
    assert not made.ended


def test_error_of_a_choice() -> None:
    """OpenRouter puts an error of its provider into the choice."""
    choice = {
        "index": 0,
        "message": {"content": ""},
        "finish_reason": "stop",
        "error": {"code": 502, "message": "Boom"},
    }
    assert failure(json.dumps({"choices": [choice]}).encode())[0] == 502


def test_empty_error_is_none() -> None:
    """Servers that send `error: null` with every chunk report no error."""
    chunk = {"error": None, "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None, "error": None}]}
    assert streamed(data(chunk), FINISH)["content"] == [{"type": "text", "text": "x"}]
