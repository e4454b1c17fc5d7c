"""What is counted of finished requests, and how it is told."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_to_anthropic.errors import Refusal
from llm_to_anthropic.exchange import Exchange, Usage
from llm_to_anthropic.observers.board import Board
from llm_to_anthropic.observers.metrics import Metrics
from tests.http.fake import settings
from tests.test_routing import built_in

Samples = dict[tuple[str, ...], float]
ALIASES = {"fast": ("openai/gpt-x",), "team-*": ("openai/gpt-x",)}


def exchange(**changes: Any) -> Exchange:
    known: dict[str, Any] = {
        "request_id": "req_1",
        "method": "POST",
        "path": "/v1/messages",
        "status": 200,
        "outcome": "ok",
        "duration_ms": 700.0,
        "client_model": "fast",
        "provider": "openai",
        "protocol": "openai_chat",
        "attempts": 1,
    }
    return Exchange(**(known | changes))


def samples(text: str) -> Samples:
    """Each sample by its name, without the prefix, and the values of its labels."""
    return {
        (sample.name.removeprefix("llm_to_anthropic_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def metrics(board: Board | None = None, process: int = 0) -> Metrics:
    return Metrics(settings(aliases=ALIASES), board, process)


def told(*exchanges: Exchange) -> Samples:
    """What is told after these."""
    own = metrics()
    for each in exchanges:
        own.record(each)
    return samples(own.exposition())


def test_requests_are_counted_by_what_became_of_them() -> None:
    """Provider, model, protocol, endpoint, class of status and outcome tell requests apart."""
    found = told(exchange(), exchange(), exchange(status=502, outcome="api_error"))
    assert found["requests_total", "openai", "fast", "openai_chat", "messages", "2xx", "ok"] == 2
    assert found["requests_total", "openai", "fast", "openai_chat", "messages", "5xx", "api_error"] == 1


def test_requests_that_took_no_time_are_counted() -> None:
    """What is refused before it is a request, such as broken HTTP or one connection too many, has lasted 0 ms."""
    refused = exchange(path="", status=400, outcome="invalid_request_error", provider="", protocol="", duration_ms=0.0)
    found = told(refused, refused)
    assert found["requests_total", "", "fast", "", "other", "4xx", "invalid_request_error"] == 2


def test_durations_are_histograms_in_seconds() -> None:
    """A duration counts in its bucket and in all larger ones."""
    found = told(exchange(duration_ms=700.0), exchange(duration_ms=500.0), exchange(duration_ms=1e6))
    name = "request_duration_seconds_bucket"
    buckets = [found[name, "openai", "fast", bound] for bound in ("0.25", "0.5", "1.0", "320.0", "+Inf")]
    assert buckets == [0, 1, 2, 2, 3]
    assert found["request_duration_seconds_count", "openai", "fast"] == 3
    assert found["request_duration_seconds_sum", "openai", "fast"] == pytest.approx(1001.2)


def test_first_tokens_are_timed_of_streams_alone() -> None:
    """A whole answer has no first token that anybody saw."""
    found = told(exchange(ttft_ms=300.0, stream=True), exchange(ttft_ms=700.0))
    assert found["time_to_first_token_seconds_count", "openai", "fast"] == 1
    assert found["time_to_first_token_seconds_sum", "openai", "fast"] == pytest.approx(0.3)


def test_tokens_are_counted_by_kind() -> None:
    """Input, output and both kinds of cache are told apart."""
    usage = Usage(input_tokens=5, output_tokens=7, cache_read_input_tokens=11, cache_creation_input_tokens=13)
    found = told(exchange(usage=usage), exchange(usage=usage))
    kinds = ("input", "output", "cache_read", "cache_creation")
    assert [found["tokens_total", "openai", "fast", kind] for kind in kinds] == [10, 14, 22, 26]


def test_counts_of_tokens_do_not_blur_durations() -> None:
    """Only messages are timed; other requests are counted."""
    found = told(exchange(path="/v1/messages/count_tokens"))
    assert found["requests_total", "openai", "fast", "openai_chat", "count_tokens", "2xx", "ok"] == 1
    assert not [key for key in found if key[0].startswith("request_duration")]


def test_failed_attempts_are_counted_where_they_were_made() -> None:
    """What failed before a fallback counts for the provider that failed, with the class of its status."""
    failures = ("first/a:b: 529 overloaded_error", "first/a:b: 500 api_error")
    found = told(exchange(attempts=3, failures=failures, fallback=True))
    assert found["failed_attempts_total", "first", "5xx"] == 2
    assert found["fallbacks_total", "openai"] == 1


def test_fallbacks_past_a_target_that_is_left_alone_are_counted() -> None:
    """Once the breaker leaves the first target alone nothing fails any more, and requests still go elsewhere."""
    assert told(exchange(fallback=True))["fallbacks_total", "openai"] == 1


def test_timeouts_are_counted_by_phase() -> None:
    """A time limit that ended a request is counted with its phase."""
    found = told(exchange(status=504, outcome="timeout_error", timeout_phase="tls"), exchange())
    assert found["upstream_timeouts_total", "openai", "tls"] == 1


def test_refusals_are_counted_by_reason() -> None:
    """What the proxy had no room for is counted with what there was no room in."""
    found = told(exchange(status=529, outcome="overloaded_error", provider="", refusal="memory"))
    assert found["refusals_total", "memory"] == 1


def test_refusals_are_told_before_there_are_any() -> None:
    """The first refusal raises a number that was told before, as an alert on its rate needs it."""
    none_yet = {name: value for name, value in told().items() if name[0] == "refusals_total"}
    assert none_yet == {("refusals_total", reason): 0 for reason in get_args(Refusal) if reason}


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("fast", "fast"),
        ("fast[1m]", "fast"),
        ("team-blue", "team-*"),
        ("claude-haiku-5-5", "claude-haiku-5-5"),
        ("claude-opus-of-old", "*opus*"),
        ("openai/nobody-knows", "other"),
        ("", ""),
    ],
)
def test_model_label_is_bounded(model: str, label: str) -> None:
    """A model is called as somebody listed it, as the pattern that it fits, or `other`."""
    own = Metrics(settings(aliases=ALIASES, providers=built_in()))
    own.record(exchange(client_model=model))
    assert ("requests_total", "openai", label, "openai_chat", "messages", "2xx", "ok") in samples(own.exposition())


def test_ten_thousand_model_names_are_few_series() -> None:
    """Names, paths and error types that others choose make no series of their own."""
    own = metrics()
    for number in range(10_000):
        own.record(exchange(client_model=f"openai/x-{number}"))
        own.record(exchange(path=f"/v1/files/{number}", client_model=""))
        own.record(exchange(outcome=f"secret-{number}", status=500))
    text = own.exposition()
    assert len(samples(text)) < 200
    assert "secret" not in text


def test_labels_are_escaped() -> None:
    """A name with quotes, backslashes and line breaks is read as it was."""
    name = 'a"b\\c\nd'
    own = Metrics(settings(aliases={name: ("openai/x",)}))
    own.record(exchange(client_model=name))
    assert ("requests_total", "openai", name, "openai_chat", "messages", "2xx", "ok") in samples(own.exposition())


def test_each_process_tells_the_totals_of_all() -> None:
    """Counters and buckets of all processes are added, lags are not."""
    board = Board(2)
    first, second = (metrics(board, process) for process in (0, 1))
    for own, lag_s in ((first, 0.25), (second, 0.5)):
        own.record(exchange())
        own.measure([("event_loop_lag_seconds", lag_s, ()), ("requests_in_flight", 3, ())])
    assert first.exposition() == second.exposition()
    found = samples(first.exposition())
    assert found["request_duration_seconds_count", "openai", "fast"] == 2
    assert (found["event_loop_lag_seconds",], found["requests_in_flight",]) == (0.5, 6)


def test_totals_survive_the_process_that_counted_them() -> None:
    """Who takes the place of a process that died goes on counting where it ended."""
    board = Board()
    for _ in range(2):
        metrics(board).record(exchange())
    assert samples(metrics(board).exposition())["request_duration_seconds_count", "openai", "fast"] == 2


def test_circuits_of_former_providers_are_not_told_as_open() -> None:
    """A provider that leaves the configuration, or whose process died, leaves no open circuit behind."""
    board = Board()
    own = metrics(board)
    own.measure([("open_circuits", 2, ("gone",)), ("requests_in_flight", 3, ())])
    own.adopt(settings())
    found = samples(own.exposition())
    assert (found["open_circuits", "gone"], found["requests_in_flight",]) == (0, 3)
    own.measure([("open_circuits", 2, ("gone",))])
    assert samples(metrics(board).exposition())["open_circuits", "gone"] == 0


def test_a_full_slot_keeps_what_it_has() -> None:
    """Where there is no room for more series, the known ones are counted as before and nothing fails."""
    own = metrics()
    own.record(exchange())
    for number in range(3000):
        own.record(exchange(provider=f"provider-{number}"))
    own.record(exchange())
    assert samples(own.exposition())["request_duration_seconds_count", "openai", "fast"] == 2
