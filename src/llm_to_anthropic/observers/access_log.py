"""One log line per request, and how the whole program logs.

Logs go to stderr: coloured lines on a terminal, one JSON object per line elsewhere.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.observers.redaction import Redactor
from llm_to_anthropic.settings import Settings

_SERVER_FAULT = 500


class AccessLog:
    """Writes one line per Exchange."""

    def __init__(self, logger: FilteringBoundLogger | None = None) -> None:
        self._logger: FilteringBoundLogger = logger or structlog.get_logger()

    def record(self, exchange: Exchange) -> None:
        """One line: id, client model and target, status, times, tokens, losses."""
        fields: dict[str, object] = {
            "request_id": exchange.request_id,
            "method": exchange.method,
            "path": exchange.path,
            "status": exchange.status,
            "outcome": exchange.outcome,
            "duration_ms": exchange.duration_ms,
        }
        if exchange.client_model:
            fields["model"] = exchange.client_model
        if exchange.provider:
            fields["target"] = f"{exchange.provider}/{exchange.upstream_model}"
            fields["attempts"] = exchange.attempts
            fields["stream"] = exchange.stream
        if exchange.ttft_ms is not None:
            fields["ttft_ms"] = exchange.ttft_ms
        _add_result(fields, exchange)
        level = logging.WARNING if exchange.status >= _SERVER_FAULT or exchange.outcome != "ok" else logging.INFO
        self._logger.log(level, "request", **fields)


def _add_result(fields: dict[str, object], exchange: Exchange) -> None:
    if (usage := exchange.usage) is not None:
        fields["input_tokens"] = usage.input_tokens
        fields["output_tokens"] = usage.output_tokens
        fields["cache_read_tokens"] = usage.cache_read_input_tokens
        fields["cache_creation_tokens"] = usage.cache_creation_input_tokens
    if exchange.stop_reason:
        fields["stop_reason"] = exchange.stop_reason
    if exchange.losses:
        fields["losses"] = [loss.path for loss in exchange.losses]
    if exchange.upstream_request_id:
        fields["upstream_request_id"] = exchange.upstream_request_id
    if exchange.session_id:
        fields["session_id"] = exchange.session_id
    if exchange.error:
        fields["error"] = exchange.error


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Sets up structlog for this process: level by `verbose`, form by what the stream is, secrets taken out last."""
    out = stream or sys.stderr
    redactor = Redactor(known_secrets(settings))
    level = logging.DEBUG if settings.verbose else logging.INFO
    terminal = out.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            *_renderers(redactor, coloured=terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    # uvicorn and asyncio speak through the standard library: only what needs attention, in the same form.
    logging.basicConfig(level=logging.WARNING, handlers=[_Bridge(structlog.get_logger())], force=True)


def _renderers(redactor: Redactor, *, coloured: bool) -> Sequence[Processor]:
    if coloured:
        console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        return (_redacted(redactor, console),)
    return (structlog.processors.format_exc_info, _redacted(redactor, _render_json))


def _redacted(
    redactor: Redactor, render: Callable[[WrappedLogger, str, EventDict], object]
) -> Callable[[WrappedLogger, str, EventDict], str]:
    def rendered(logger: WrappedLogger, name: str, event: EventDict) -> str:
        return redactor.clean(str(render(logger, name, event)))

    return rendered


def _render_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    try:
        return msgspec.json.encode(event).decode()
    except (TypeError, UnicodeEncodeError):
        return msgspec.json.encode({key: _plain(value) for key, value in event.items()}).decode()


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).encode("utf-8", "replace").decode()


def known_secrets(settings: Settings) -> list[str]:
    """Every secret of the configuration."""
    keys = [provider.credential.key for provider in settings.providers.values()]
    return [key.reveal() for key in (*keys, *settings.client_keys) if key]


class _Bridge(logging.Handler):
    """Standard library records as structlog lines."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        self._logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)
