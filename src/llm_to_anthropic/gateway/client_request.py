"""What a call says, as routing and translators need it."""

from __future__ import annotations

import msgspec

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.gateway.call import Call
from llm_to_anthropic.providers.provider import Route
from llm_to_anthropic.translators.request import decode_request
from llm_to_anthropic.translators.surroundings import Surroundings
from llm_to_anthropic.translators.translator import ClientRequest
from llm_to_anthropic.wire.anthropic import NO_RAW, Envelope

API_VERSIONS = ("2023-06-01", "2026-10-21")
"""Dates of `anthropic-version` that exist; hand-written requests without one mean the first."""

_KNOWN_VERSIONS = {b"": API_VERSIONS[0]} | {version.encode(): version for version in API_VERSIONS}
_YES = frozenset({b"1", b"true", b"yes"})

_ENVELOPE = msgspec.json.Decoder(Envelope)
_ANY = msgspec.json.Decoder(msgspec.Raw)


def decode_envelope(body: bytes) -> Envelope:
    """Model and stream of a request body. Raises ClientError that names what is wrong."""
    try:
        envelope = _ENVELOPE.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        decode_request(body)  # finds the words for it
        raise ClientError("the body is not a Messages request") from None
    if not envelope.model:
        raise ClientError("model: must not be empty")
    return envelope


def checked(body: bytes, read: Envelope | Surroundings) -> Envelope | Surroundings:
    """What was found in a body that nobody else looks at. Raises ClientError where it is no request after all."""
    if type(read) is Surroundings:
        start, end = read.place_in(body)
        try:
            _ANY.decode(memoryview(body)[start:end])
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return decode_envelope(body)  # finds the words for it, if it is no list between other surroundings
    return read


def client_request(
    call: Call, route: Route, *, stream: bool, read: Envelope | Surroundings | None = None
) -> ClientRequest:
    """A call as its translator sees it; `read`: what was found in its body already."""
    found = call.found
    return ClientRequest(
        body=call.body,
        messages=read.messages if type(read) is Envelope else NO_RAW,
        surroundings=read if type(read) is Surroundings else None,
        model=route.requested,
        stream=stream,
        request_id=call.request_id,
        message_id=message_id(call.request_id),
        api_version=api_version(call),
        session_id=session_id(call),
        strict=route.strict or found.get(b"x-proxy-strict", b"").lower() in _YES,
    )


def api_version(call: Call) -> str:
    """The API version that the client asked for. Raises ClientError for one that does not exist."""
    version = _KNOWN_VERSIONS.get(call.found.get(b"anthropic-version", b""))
    if version is None:
        known = " or ".join(API_VERSIONS)
        asked = call.header(b"anthropic-version")[:40]
        raise ClientError(f"anthropic-version: {asked!r} is not a version of the API; use {known}")
    return version


def session_id(call: Call) -> str:
    """The client's session, where it tells."""
    session = call.found.get(b"x-claude-code-session-id")
    return session.decode("latin-1") if session else ""


def message_id(request_id: str) -> str:
    """`msg_` and the characters of the request's id, which are as unique."""
    return "msg_" + request_id.removeprefix("req_")
