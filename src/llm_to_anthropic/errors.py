"""The tree of errors. It says whose fault an error is; it knows nothing of HTTP servers or upstreams.

ProxyError
+-- ConfigError            the operator's: settings that are missing or contradict each other
+-- ApiError               becomes an answer in Anthropic's error envelope
    +-- ClientError        the request's fault; nothing was sent upstream
    +-- UpstreamError      the upstream refused, broke or stayed silent
        +-- UpstreamSpoiled        it could not use what its own model said
        +-- UpstreamUnreachable    no connection (DNS, refused, TLS)
        +-- UpstreamTimeout        a time limit passed; `phase` names it
        +-- UpstreamFull           it has as many of our requests as it may have; nothing was sent
        +-- UpstreamProtocolError  it answered what its protocol does not allow, or stopped midway
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Refusal = Literal["", "full", "key_limit", "provider_limit", "connections", "memory", "late", "draining"]
"""Why the proxy had no room: no place, none for this key or this provider, connections, memory, time, its end."""

STATUS_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Anthropic's error type of each HTTP status (platform.claude.com, Errors)."""


def error_type(status: int) -> str:
    """Anthropic's error type for an HTTP status."""
    return STATUS_TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")


class ProxyError(Exception):
    """Every error that this project raises on purpose."""


class ConfigError(ProxyError):
    """Settings that are missing or contradict each other.

    `problems` holds one complete sentence each, `files` what was read.
    """

    def __init__(self, problems: list[str], files: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.files = files


class ApiError(ProxyError):
    """An error as a client sees it: HTTP status, Anthropic's type, a sentence for people.

    `headers` are extra response headers (`retry-after`, `x-should-retry`, rate limits);
    `details` becomes `error.details` of the envelope; `refusal` says in a word why the proxy had no room.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        details: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        refusal: Refusal = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.refusal: Refusal = refusal
        self.type = type or error_type(status)
        self.message = message
        self.details = details
        self.headers: dict[str, str] = dict(headers or {})

    def envelope(self, request_id: str) -> bytes:
        """The body of the answer: Anthropic's error envelope as JSON."""
        error: dict[str, object] = {"type": self.type, "message": _clean(self.message)}
        if self.details:
            error["details"] = self.details
        return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


def overloaded(why: str, refusal: Refusal, headers: Mapping[str, str] | None = None) -> ApiError:
    """529, for what the proxy could do at another time. `why` is a part of a sentence: `the proxy is ...`."""
    return ApiError(
        529, f"the proxy is {why}; try again", headers={"retry-after": "2", **(headers or {})}, refusal=refusal
    )


class ClientError(ApiError):
    """The request is at fault; it was not sent upstream."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str | None = None,
        details: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, type=type, details=details, headers=headers)


class UpstreamError(ApiError):
    """The upstream answered with an error."""

    said: bytes = b""
    """The body that it would have had with a status of its own, where it came inside an answer with a good one."""


class UpstreamSpoiled(UpstreamError):
    """What the model said is no call or JSON, for which its server refuses the request: another try may well do."""


NOT_RETRIED: Mapping[str, str] = {"x-should-retry": "false"}
"""Headers of an error that asking again does not mend: neither we nor the SDKs need try."""


class UpstreamUnreachable(UpstreamError):
    """No connection to the upstream: name, refusal, TLS. `lasting`: a setting is wrong."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(502, message, headers=NOT_RETRIED if lasting else None)


Phase = Literal["connect", "tls", "write", "first_event", "idle", "total"]


class UpstreamTimeout(UpstreamError):
    """A time limit passed; `phase` says which, to the client as well."""

    def __init__(self, phase: Phase, message: str) -> None:
        super().__init__(504, message, details={"phase": phase})
        self.phase = phase


class UpstreamFull(UpstreamError):
    """A provider has as many requests running as one of several may have; nothing was sent to it."""

    def __init__(self, message: str) -> None:
        super().__init__(529, message, headers={"retry-after": "2"}, refusal="provider_limit")


class UpstreamProtocolError(UpstreamError):
    """The upstream broke its protocol: not its JSON, a malformed answer, a stream that stops midway.

    `lasting`: a setting is wrong.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(502, message, headers=NOT_RETRIED if lasting else None)


def _clean(text: str) -> str:
    # Upstream texts may hold lone surrogates, which JSON cannot carry.
    return text.encode("utf-8", "replace").decode("utf-8")


def forget_way(error: BaseException) -> None:
    """Lets go of the frames that an error came through.

    They hold the request, and mostly the error itself: only the garbage collector would part them, and it comes after
    some hundred failures. None of these is ever shown with its way.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
