"""What a connection tells a client whose request never got as far as the application."""

from __future__ import annotations

import httptools

from llm_to_anthropic.errors import ApiError, ClientError
from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.http.front_cycle import status_line

HANDSHAKE = b"\x16\x03"
"""TLS begins so (RFC 8446, section 5.1)."""


def reason(error: httptools.HttpParserError, data: bytes) -> ApiError:
    """What went wrong where the parser stopped, in `data`: our own checks run inside of it."""
    if isinstance(error.__context__, ApiError):
        return error.__context__
    if data.startswith(HANDSHAKE):
        return ClientError("TLS is not spoken here: the base URL of the client must start with http://")
    return ClientError(f"malformed HTTP request: {error}")


def too_large_headers(limit: int) -> ClientError:
    """431, for more than `limit` bytes."""
    return ClientError(f"the request's headers are larger than {limit} bytes", status=431)


def refusal_bytes(error: ApiError, request_id: str) -> bytes:
    """The whole answer, after which the connection is closed."""
    body = error.envelope(request_id)
    head = (
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return status_line(error.status) + head.encode("ascii") + body


def record_of(error: ApiError, request_id: str) -> Exchange:
    """The record of a request of which nothing else is known."""
    return Exchange(
        request_id=request_id,
        method="",
        path="",
        status=error.status,
        outcome=error.type,
        duration_ms=0.0,
        error=error.message,
        refusal=error.refusal,
    )
