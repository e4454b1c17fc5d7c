"""One log line per request, and how the whole program logs.

Logs go to stderr: coloured lines on a terminal, one JSON object per line elsewhere.
"""

from __future__ import annotations

import io
import logging
import math
import sys
import time
from contextlib import suppress
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

MAX_LINE = 4096
"""Longer lines are made shorter: what a client or an upstream sends has no such bound."""
MAX_SHOWN = 512
"""How many letters of each text are then shown."""
MAX_LISTED = 16
"""How many entries of each list are then shown."""
_FOR_SEARCH = ("request_id", "upstream_request_id", "session_id")
"""On a terminal, where lines are read from left to right, these stand last."""
_CUT = "..."
_SERVER_FAULT = 500
_encode = msgspec.json.Encoder().encode


class AccessLine(msgspec.Struct, omit_defaults=True, tag_field="event", tag="request"):
    """The fields of a request's log line, in their order: given by position, since names cost as much again."""

    level: str
    timestamp: str
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
    duration_ms: float = math.nan
    """Always told; a field behind others that may be missing needs a default."""
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
        self._second = ""
        self._shown = ""
        """The running second as text: it is the same for many lines."""

    def record(self, exchange: Exchange) -> None:
        """One line: id, client model and target, status, times, tokens, losses."""
        if self._sink is not None:
            self._sink.write(partial(self._as_line, exchange, time.time_ns()))
            return
        fields: dict[str, object] = msgspec.to_builtins(_shortened(access_line(exchange, "")))
        for name in ("event", "level", "timestamp"):
            del fields[name]
        fields |= {name: fields.pop(name) for name in _FOR_SEARCH if name in fields}
        self._logger.log(logging.WARNING if _has_failed(exchange) else logging.INFO, "request", **fields)

    def _as_line(self, exchange: Exchange, ended_ns: int) -> str:
        line = access_line(exchange, self._shown_at(ended_ns))
        text = _as_json(line)
        return text if len(text) <= MAX_LINE else _as_json(_shortened(line))

    def _shown_at(self, now_ns: int) -> str:
        digits = str(now_ns)
        second = digits[:-9]
        if second != self._second:
            self._second = second
            self._shown = datetime.fromtimestamp(int(second), UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return self._shown + "." + digits[-9:-3] + "Z"


def _has_failed(exchange: Exchange) -> bool:
    return exchange.status >= _SERVER_FAULT or exchange.outcome != "ok"


def access_line(exchange: Exchange, timestamp: str) -> AccessLine:
    """What is worth a line of an exchange."""
    usage, went_well = exchange.usage, exchange.outcome == "ok"
    several = exchange.attempts > 1 or exchange.fallback
    return AccessLine(
        "warning" if _has_failed(exchange) else "info",
        timestamp,
        exchange.request_id,
        exchange.method,
        exchange.path,
        exchange.status,
        exchange.outcome,
        exchange.client_model,
        f"{exchange.provider}/{exchange.upstream_model}" if exchange.upstream_model else exchange.provider,
        exchange.attempts,
        exchange.fallback,
        (list(exchange.failures) or None) if several else None,
        exchange.stream,
        exchange.ttft_ms,
        exchange.duration_ms,
        None if usage is None else usage.input_tokens,
        None if usage is None else usage.output_tokens,
        None if usage is None else usage.cache_read_input_tokens,
        None if usage is None else usage.cache_creation_input_tokens,
        exchange.stop_reason,
        [loss.path for loss in exchange.losses] if exchange.losses else None,
        exchange.upstream_request_id,
        exchange.session_id,
        exchange.client_key,
        "" if went_well else exchange.error,
        "" if went_well else exchange.timeout_phase,
    )


def _shortened(line: AccessLine) -> AccessLine:
    for name in line.__struct_fields__:
        setattr(line, name, _cut(getattr(line, name)))
    return line


def _cut(value: object) -> object:
    match value:
        case str() if len(value) > MAX_SHOWN:
            sink = _sink()
            text = value if sink is None else sink.clean(value)
            return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + _CUT
        case list():
            shown = [_cut(entry) for entry in value[:MAX_LISTED]]
            return shown if len(value) <= MAX_LISTED else [*shown, _CUT]
        case _:
            return value


def configure_logging(settings: Settings, stream: TextIO | None = None, *, coloured: bool = True) -> None:
    """Sets up structlog for this process: level by `verbose`, form by what the stream is, secrets taken out last.

    `coloured`: on a terminal.
    """
    out = stream or sys.stderr
    terminal = out.isatty()
    if not terminal and isinstance(out, io.TextIOWrapper):
        with suppress(OSError):  # nothing can be written to it: then it does not matter
            # JSON is UTF-8 whatever the locale is, whose own escapes would spoil it.
            out.reconfigure(encoding="utf-8", errors="backslashreplace")
    sink = LogSink(out, Redactor(known_secrets(settings)), json=not terminal)
    level = logging.DEBUG if settings.verbose else logging.INFO
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            *_renderers(terminal=terminal, coloured=coloured),
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


def _renderers(*, terminal: bool, coloured: bool) -> list[Processor]:
    if terminal:
        show = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=coloured, sort_keys=False, exception_formatter=show)
        return [_quote_controls, renderer]
    return [structlog.processors.format_exc_info, _render_json]


class _Quoted:
    """A text that is shown in quotation marks, with escapes for what is not to be seen."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _quote_controls(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Terminals obey what they are sent: paths, names and errors are a client's or an upstream's words."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable() and name != "event":
            event[name] = _Quoted(value)
    return event


def _render_json(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    return _as_json(event)


def _as_json(fields: EventDict | AccessLine) -> str:
    try:
        return _encode(fields).decode()
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
