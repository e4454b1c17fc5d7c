"""Reads a request's body within limits."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Receive

from llm_to_anthropic.errors import ClientError, ProxyError

CLOSE = {"connection": "close"}
"""The rest of the body is not read, so the connection cannot carry another request."""

Found = Mapping[bytes, bytes]
"""A request's headers by lower-case name, the last of repeated ones."""


class ClientGone(ProxyError):
    """The client left before its request was complete, or the protocol gave up on it."""


def check_encoding(found: Found) -> None:
    """Raises ClientError (415) for a compressed body."""
    coding = found.get(b"content-encoding")
    if coding is None or coding.strip().lower() in (b"", b"identity"):
        return
    raise ClientError(
        f"content-encoding {_shown(coding)!r} is not supported here; send the body uncompressed",
        status=415,
        type="invalid_request_error",
        details={"error_code": "request_body_encoding_unsupported"},
        headers=CLOSE,
    )


def check_json(found: Found) -> None:
    """Raises ClientError where the content type says that the body is not JSON; a missing one is fine."""
    given = found.get(b"content-type")
    if given is None or given == b"application/json":
        return
    media = given.partition(b";")[0].strip().lower()
    if media == b"application/json" or media.endswith(b"+json"):
        return
    # Web pages can post text/plain anywhere without asking first: this refusal is also a guard.
    raise ClientError(
        f"content-type {_shown(given)!r} is not supported here; send JSON as application/json",
        status=415,
        type="invalid_request_error",
        headers=CLOSE,
    )


def has_body(found: Found) -> bool:
    """Whether a body follows a request's head."""
    return b"transfer-encoding" in found or found.get(b"content-length", b"0").strip(b"0") != b""


def content_length(found: Found) -> int:
    """Bytes of a body whose length was told, else 0."""
    return int(found.get(b"content-length", b"0"))


async def read_body(receive: Receive, found: Found, limit: int) -> bytes:
    """The whole body. Raises ClientError (413) and ClientGone. `limit` is in bytes, and holds whatever length was told.

    A body that stops coming is the protocol's to notice: it ends the request as if the client had left.
    """
    if not has_body(found):
        return b""
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        pieces.append(message["body"])
        size += len(pieces[-1])
        if size > limit:
            raise too_large(limit)
        more = message["more_body"]
    return b"".join(pieces)


def too_large(limit: int) -> ClientError:
    """413, for a body of more than `limit` bytes."""
    # Clients know this wording.
    return ClientError("Request exceeds the maximum size", status=413, details={"max_body_bytes": limit}, headers=CLOSE)


def _shown(value: bytes) -> str:
    return value[:60].decode("latin-1")
