"""Writes down what went upstream and what the client got, for `-v`: keys left out, base64 shortened."""

from __future__ import annotations

import re
from collections.abc import Iterable

import structlog
from structlog.typing import FilteringBoundLogger

from llm_to_anthropic.exchange import Loss

MAX_LOGGED_BYTES = 64 * 1024
_SECRET_HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"cookie"})
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])([A-Za-z0-9+/]{40})[A-Za-z0-9+/]{200,}+={0,2}")


class Transcript:
    """Debug lines with bodies. Only made when they are wanted: they cost more than the request itself."""

    def __init__(self) -> None:
        self._logger: FilteringBoundLogger = structlog.get_logger()

    def upstream_request(
        self, request_id: str, method: str, url: str, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> None:
        """What is about to be sent upstream."""
        shown = {name.decode("latin-1"): _header(name, value) for name, value in headers}
        self._logger.debug(
            "upstream request", request_id=request_id, method=method, url=url, headers=shown, body=shortened(body)
        )

    def losses(self, request_id: str, losses: list[Loss]) -> None:
        """What could not be carried over of the request, and what became of it."""
        told = {loss.path: loss.note for loss in losses}
        self._logger.debug("losses", request_id=request_id, losses=told)

    def answer(self, request_id: str, status: int, body: bytes) -> None:
        """What the client got."""
        self._logger.debug("answer", request_id=request_id, status=status, body=shortened(body))


def shortened(body: bytes) -> str:
    """A body as readable text: long base64 cut, and no more than 64 KiB of it."""
    text = _BASE64.sub(r"\1...(base64 shortened)", body[: 4 * MAX_LOGGED_BYTES].decode("utf-8", "replace"))
    if len(text) > MAX_LOGGED_BYTES:
        return text[:MAX_LOGGED_BYTES] + f"... ({len(body)} bytes in all)"
    return text


def _header(name: bytes, value: bytes) -> str:
    return "***" if name in _SECRET_HEADERS else value.decode("latin-1")
