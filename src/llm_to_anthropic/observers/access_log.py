"""One log line per request, and how the whole program logs.

Logs go to stderr: coloured lines on a terminal, one JSON object per line elsewhere.
"""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import TextIO

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.observers.log_sink import LogSink, SinkLoggers
from llm_to_anthropic.observers.redaction import Redactor
from llm_to_anthropic.settings import HASHED, Settings

_SERVER_FAULT = 500


class AccessLine(msgspec.Struct, omit_defaults=True, kw_only=True, tag_field="event", tag="request"):
    """The fields of a request's log line, in their order."""

    level: str = ""
    timestamp: str = ""
    request_id: str
    method: str
    path: str
    status: int
    outcome: str
    model: str = ""
    target: str = ""
    attempts: int = 0
    fallback: bool = False
    failures: list[str] | None = None
    stream: bool = False
    ttft_ms: float | None = None
    duration_ms: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    stop_reason: str | None = None
    losses: list[str] | None = None
    upstream_request_id: str = ""
    session_id: str = ""
    client_key: str = ""
    error: str = ""
    timeout_phase: str = ""


class AccessLog:
    """Writes one line per Exchange. Made after `configure_logging`."""

    def __init__(self) -> None:
        # This is the one line that every request costs: as JSON it need not pass through structlog's chain.
        sink = _sink()
        self._sink = sink if sink is not None and sink.json else None
        self._logger: FilteringBoundLogger = structlog.get_logger()
        self._second = 0
        self._shown = ""
        """The running second as text: it is the same for many lines."""

    def record(self, exchange: Exchange) -> None:
        """One line: id, client model and target, status, times, tokens, losses."""
        if self._sink is not None:
            self._sink.write(partial(self._as_line, exchange, time.time()))
            return
        fields: dict[str, object] = msgspec.to_builtins(access_line(exchange))
        del fields["event"]
        self._logger.log(logging.WARNING if _has_failed(exchange) else logging.INFO, "request", **fields)

    def _as_line(self, exchange: Exchange, ended: float) -> str:
        line = access_line(exchange)
        line.level = "warning" if _has_failed(exchange) else "info"
        line.timestamp = self._shown_at(ended)
        return _as_json(line)

    def _shown_at(self, now: float) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._shown = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._shown}.{int((now - second) * 1e6):06d}Z"


def _has_failed(exchange: Exchange) -> bool:
    return exchange.status >= _SERVER_FAULT or exchange.outcome != "ok"


def access_line(exchange: Exchange) -> AccessLine:
    """What is worth a line of an exchange."""
    line = AccessLine(
        request_id=exchange.request_id,
        method=exchange.method,
        path=exchange.path,
        status=exchange.status,
        outcome=exchange.outcome,
        model=exchange.client_model,
        attempts=exchange.attempts,
        stream=exchange.stream,
        ttft_ms=exchange.ttft_ms,
        duration_ms=exchange.duration_ms,
        stop_reason=exchange.stop_reason,
        upstream_request_id=exchange.upstream_request_id,
        session_id=exchange.session_id,
        client_key=exchange.client_key,
    )
    if exchange.outcome != "ok":
        line.error, line.timeout_phase = exchange.error, exchange.timeout_phase
    if exchange.provider:
        line.target = f"{exchange.provider}/{exchange.upstream_model}"
    if (usage := exchange.usage) is not None:
        line.input_tokens = usage.input_tokens
        line.output_tokens = usage.output_tokens
        line.cache_read_tokens = usage.cache_read_input_tokens
        line.cache_creation_tokens = usage.cache_creation_input_tokens
    if exchange.attempts > 1 or exchange.fallback:
        line.fallback = exchange.fallback
        line.failures = list(exchange.failures) or None
    if exchange.losses:
        line.losses = [loss.path for loss in exchange.losses]
    return line


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Sets up structlog for this process: level by `verbose`, form by what the stream is, secrets taken out last."""
    out = stream or sys.stderr
    terminal = out.isatty()
    sink = LogSink(out, Redactor(known_secrets(settings)), json=not terminal)
    level = logging.DEBUG if settings.verbose else logging.INFO
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            *_renderers(coloured=terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=SinkLoggers(sink),
        cache_logger_on_first_use=True,
    )
    # uvicorn and asyncio speak through the standard library: only what needs attention, in the same form.
    logging.basicConfig(level=logging.WARNING, handlers=[_Bridge(structlog.get_logger())], force=True)


def learn_secrets(settings: Settings) -> None:
    """Has the keys of another configuration taken out of log lines too."""
    if (sink := _sink()) is not None:
        sink.learn(known_secrets(settings))


def flush_log() -> None:
    """Writes down what has gathered: for a process that ends without Python's own farewell."""
    if (sink := _sink()) is not None:
        sink.flush()


def _sink() -> LogSink | None:
    factory = structlog.get_config()["logger_factory"]
    return factory.sink if isinstance(factory, SinkLoggers) else None


def _renderers(*, coloured: bool) -> list[Processor]:
    if coloured:
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, _render_json]


def _render_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    return _as_json(event)


def _as_json(fields: EventDict | AccessLine) -> str:
    try:
        return msgspec.json.encode(fields).decode()
    except (TypeError, UnicodeEncodeError):
        named = fields if not isinstance(fields, AccessLine) else msgspec.structs.asdict(fields)
        return msgspec.json.encode({key: _plain(value) for key, value in named.items()}).decode()


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).encode("utf-8", "replace").decode()


def known_secrets(settings: Settings) -> list[str]:
    """Every secret of the configuration."""
    keys = [key for provider in settings.providers.values() for key in provider.credential.keys]
    known = [key.reveal() for key in keys]
    for client_key in settings.client_keys:
        known += (client_key.secret.reveal(), client_key.secret.reveal().removeprefix(HASHED))
    return known


class _Bridge(logging.Handler):
    """Standard library records as structlog lines."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        self._logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)
