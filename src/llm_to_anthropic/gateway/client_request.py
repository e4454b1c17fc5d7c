"""What a call says, as routing and translators need it."""

from __future__ import annotations

import msgspec

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.gateway.call import Call
from llm_to_anthropic.providers.provider import Route
from llm_to_anthropic.routing import MAX_NAME, no_name
from llm_to_anthropic.translators.memory.surroundings import MoreThanMessages, Surroundings
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.translator import ClientRequest
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.anthropic import NO_RAW, Envelope

API_VERSIONS = ("2023-06-01", "2026-10-21")
"""Dates of `anthropic-version` that exist; hand-written requests without one mean the first."""

MAX_SESSION_BYTES = 128
"""Claude Code's ids have 36."""

_KNOWN_VERSIONS = {b"": API_VERSIONS[0]} | {version.encode(): version for version in API_VERSIONS}
_YES = frozenset({b"1", b"true", b"yes"})

_ENVELOPE = msgspec.json.Decoder(Envelope)


def decode_envelope(body: bytes) -> Envelope:
    """Model and stream of a request body. Raises ClientError that names what is wrong."""
    try:
        envelope = _ENVELOPE.decode(body)
    except UNREADABLE:
        decode_request(body)  # finds the words for it
        raise ClientError("the body is not a Messages request") from None
    if not 0 < len(envelope.model) <= MAX_NAME:
        raise no_name(envelope.model)
    return envelope


def same_envelope(body: bytes, around: Surroundings) -> Envelope:
    """What a body with more than messages asks for. Raises MoreThanMessages where that is another model, or a stream.

    Raises ClientError as `decode_envelope`.
    """
    envelope = decode_envelope(body)
    if (envelope.model, envelope.stream is True) != (around.model, around.stream is True):
        raise MoreThanMessages
    return envelope


def client_request(call: Call, route: Route, *, stream: bool) -> ClientRequest:
    """A call as its translator sees it. Raises ClientError for a version of the API that does not exist."""
    found, read = call.found, call.read
    version = _KNOWN_VERSIONS.get(found.get(b"anthropic-version", b""))
    if version is None:
        raise _unknown_version(call)
    return ClientRequest(
        body=call.body,
        messages=read.messages if type(read) is Envelope else NO_RAW,
        surroundings=read if type(read) is Surroundings else None,
        model=route.requested,
        stream=stream,
        request_id=call.request_id,
        # As unique as the characters of the request's id.
        message_id="msg_" + call.request_id.removeprefix("req_"),
        api_version=version,
        session_id=session_id(call),
        strict=is_strict(call, route),
    )


def is_strict(call: Call, route: Route) -> bool:
    """Whether nothing may be lost of the request."""
    strict = call.found.get(b"x-proxy-strict")
    return route.strict or (strict is not None and strict.lower() in _YES)


def _unknown_version(call: Call) -> ClientError:
    known = " or ".join(API_VERSIONS)
    asked = call.header(b"anthropic-version")[:40]
    return ClientError(f"anthropic-version: {asked!r} is not a version of the API; use {known}")


def session_id(call: Call) -> str:
    """The client's session, where it tells. Much is remembered by it: what is too long for an id is none."""
    session = call.found.get(b"x-claude-code-session-id")
    return session.decode("latin-1") if session and len(session) <= MAX_SESSION_BYTES else ""
