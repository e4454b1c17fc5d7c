"""One log line per request."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any, TextIO

import click
import pytest
import structlog

from llm_to_anthropic.exchange import Exchange, Loss, Usage
from llm_to_anthropic.observers.access_log import MAX_SHOWN, AccessLog, configure_logging
from llm_to_anthropic.observers.transcript import Transcript, shortened
from llm_to_anthropic.providers.provider import Secret
from llm_to_anthropic.settings import ClientKey, Settings

CANARY = "canary-client-key"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def logging_to(out: TextIO) -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_logging(
        Settings(providers={}, aliases={}, client_keys=(ClientKey(secret=Secret(CANARY)),), verbose=True), out
    )
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.root.handlers[:], logging.root.level = handlers, level


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with logging_to(out):
        yield out


def record(**told: Any) -> None:
    """Logs a request that went well, but for what is told of it."""
    known: dict[str, Any] = {"request_id": "r", "method": "POST", "path": "/", "status": 200, "outcome": "ok"}
    AccessLog().record(Exchange(**(known | {"duration_ms": 1} | told)))


def _lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_request_is_one_json_line(log: io.StringIO) -> None:
    """Off a terminal every request is one JSON object with the fields that a search needs."""
    record(
        request_id="req_1",
        path="/v1/messages",
        duration_ms=12.5,
        client_model="claude-sonnet-4-5",
        provider="openai",
        upstream_model="gpt-4.1",
        attempts=1,
        ttft_ms=3.5,
        usage=Usage(input_tokens=3, output_tokens=4),
        losses=(Loss("top_k", "left out"),),
    )
    (line,) = _lines(log)
    expected = {
        "request_id": "req_1",
        "status": 200,
        "model": "claude-sonnet-4-5",
        "target": "openai/gpt-4.1",
        "ttft_ms": 3.5,
        "duration_ms": 12.5,
        "input_tokens": 3,
        "output_tokens": 4,
        "losses": ["top_k"],
        "level": "info",
    }
    assert expected.items() <= line.items()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_lines_are_json_in_every_locale(encoding: str) -> None:
    """Off a terminal lines are UTF-8, as JSON is, also where the locale's letters are others."""
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding=encoding, errors="backslashreplace")
    with logging_to(out):
        record(client_model="caf\u00e9 \u65e5 \U0001f600")
    assert json.loads(written.getvalue())["model"] == "caf\u00e9 \u65e5 \U0001f600"


def test_a_log_that_takes_nothing_is_begun() -> None:
    """A start with warnings that found no room, as on a full disk, is a start all the same."""
    with open("/dev/full", "w", encoding="ascii") as out:
        out.write("warning: there is no room for this")
        with logging_to(out):
            record()
        with contextlib.suppress(OSError):
            out.close()


def test_attempts_that_failed_are_told(log: io.StringIO) -> None:
    """The line of a request that was answered elsewhere says so, and what went wrong before."""
    record(attempts=2, fallback=True, failures=("one/m: 529 overloaded_error",))
    (line,) = _lines(log)
    assert (line["level"], line["attempts"], line["fallback"]) == ("info", 2, True)
    assert line["failures"] == ["one/m: 529 overloaded_error"]


def test_a_provider_that_was_asked_without_a_model_is_told(log: io.StringIO) -> None:
    """A file or a batch has no model; the line says whom it came from nevertheless."""
    record(method="GET", path="/v1/files", provider="anthropic")
    (line,) = _lines(log)
    assert line["target"] == "anthropic"


def test_a_failed_request_stands_out(log: io.StringIO) -> None:
    """A request that failed is logged as a warning with its reason."""
    record(status=502, outcome="api_error", error="no upstream")
    (line,) = _lines(log)
    assert (line["level"], line["error"]) == ("warning", "no upstream")


def test_a_terminal_shows_first_what_people_look_for() -> None:
    """On a terminal a line begins with what became of the request, and ids, which are for searching, stand last."""
    out = _Terminal()
    with logging_to(out):
        record(
            request_id="req_1",
            path="/v1/messages",
            status=502,
            outcome="api_error",
            duration_ms=12.5,
            client_model="claude-sonnet-4-5",
            provider="openai",
            upstream_model="gpt-4.1",
            session_id="a-session",
            error="no answer",
        )
    names = re.findall(r"(\w+)=", click.unstyle(out.getvalue()))
    assert names[:5] == ["method", "path", "status", "outcome", "model"]
    assert names[-3:] == ["error", "request_id", "session_id"]


@pytest.mark.parametrize("control", ["\x1b]0;owned\x07", "\x9b2J", "\u202e", "\nfake", "\r"], ids=ascii)
def test_a_terminal_obeys_nothing_that_a_client_sends(control: str) -> None:
    """A path or a model may hold what moves the cursor, or makes another line: it is shown, and not done."""
    out = _Terminal()
    with logging_to(out):
        record(
            method="GET",
            path=f"/v1/{control}",
            status=400,
            outcome=f"x{control}",
            client_model=f"m{control}",
            provider="p",
            upstream_model=f"m{control}",
            session_id=f"s{control}",
            error=f"an error {control}",
            losses=(Loss(f"x{control}", ""),),
        )
    assert click.unstyle(out.getvalue()).removesuffix("\n").isprintable()


@pytest.mark.parametrize("terminal", [False, True], ids=["json", "terminal"])
def test_a_long_request_has_no_long_line(terminal: bool) -> None:
    """Path, session, model and error are a client's or an upstream's to choose; a line shows the beginning of each."""
    out = _Terminal() if terminal else io.StringIO()
    with logging_to(out):
        record(
            path="/v1/" + "p" * 64_000,
            status=502,
            outcome="api_error",
            client_model="m" * 1_000_000,
            session_id="s" * 16_000,
            error="e" * 1_000_000,
            losses=tuple(Loss(f"messages[{at}]" * 100, "left out") for at in range(1000)),
        )
    text = out.getvalue()
    assert 2 * 1024 < len(text) < 16 * 1024
    for beginning in ("/v1/ppp", "mmm", "sss", "eee", "messages[0]"):
        assert beginning in text
    assert text.count("\n") == 1


def test_a_secret_at_the_cut_of_a_long_text_is_not_shown_in_part(log: io.StringIO) -> None:
    """A text is cut after secrets were taken out: half of one would not be found."""
    path = ("/" + "p" * (MAX_SHOWN - 10) + CANARY).ljust(10_000, "p")
    record(method="GET", path=path, status=404, outcome="x")
    (line,) = _lines(log)
    assert CANARY[:6] not in str(line["path"])


def test_no_secret_reaches_the_log(log: io.StringIO) -> None:
    """A client key inside an error text, a header or an exception is not written."""
    logger = structlog.get_logger()
    logger.info("x", error=f"bad key {CANARY}")
    Transcript().upstream_request("r", "POST", "http://h", [(b"x-api-key", CANARY.encode())], CANARY.encode())
    try:
        int(CANARY)
    except ValueError:
        logger.exception("crash")
    logging.getLogger("uvicorn").error("lib %s", CANARY)
    assert len(_lines(log)) == 4
    assert CANARY not in log.getvalue()


def test_values_that_json_cannot_carry_are_still_logged(log: io.StringIO) -> None:
    """A lone surrogate in an error does not lose the line."""
    structlog.get_logger().info("x", error="\ud83d", obj=object())
    assert len(_lines(log)) == 1


def test_base64_is_shortened() -> None:
    """An image in a logged body does not flood the log."""
    assert len(shortened(b'{"data":"' + b"A" * 100_000 + b'"}')) < 200
