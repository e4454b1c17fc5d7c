"""Reads what an Anthropic upstream answers in place of a message."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llm_to_anthropic.errors import STATUS_TYPES, UpstreamError, UpstreamProtocolError
from llm_to_anthropic.gateway.answer_headers import forwarded
from llm_to_anthropic.gateway.relay import MAX_ERROR_BYTES
from llm_to_anthropic.providers.provider import Credential, Provider, Target
from llm_to_anthropic.translators.rate_limits import retry_after_s
from llm_to_anthropic.translators.upstream_errors import MAX_READ, without_account
from llm_to_anthropic.upstream import UpstreamCall
from llm_to_anthropic.wire import UNREADABLE

_LASTING = (401, 402)
"""Our key will not be mended within minutes, yet Claude Code would go on asking for as long unless it is told."""
_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_STATUS = re.compile(r"[45]\d\d", re.ASCII)
_MARKUP = re.compile(rb"\s*<")
_UNTOLD = 502
"""The status of an error that tells none."""
_TYPE_STATUS = {type_: status for status, type_ in reversed(STATUS_TYPES.items())}


class PassedError(UpstreamError):
    """An error in Anthropic's own envelope, which its client gets word for word."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        told = told_error(body)
        super().__init__(status, told.message, type=told.type, headers=headers)
        self._body = body

    def envelope(self, request_id: str) -> bytes:  # noqa: ARG002  it holds the upstream's id
        return self._body


def without_keys(said: bytes, target: Target | Provider | None) -> bytes:
    """An upstream's words about an error; some gateways repeat the key in theirs, which is no client's business."""
    credential = _credential(target)
    for secret in credential.secrets if credential is not None else ():
        said = re.sub("".join(map(_spelled, secret)).encode(), b"***", said)
    return said


def _spelled(letter: str) -> str:
    """Matches one letter of a key as JSON may write it: PHP escapes slashes, .NET the plus sign, all of them quotes."""
    return letter if letter.isalnum() else rf"(?:\\?{re.escape(letter)}|\\u00(?i:{ord(letter):02x}))"


def _credential(target: Target | Provider | None) -> Credential | None:
    provider = target.provider if isinstance(target, Target) else target
    return None if provider is None else provider.credential


async def read_refusal(upstream: UpstreamCall, target: Target | Provider | None) -> UpstreamError:
    """An error answer: word for word where it is Anthropic's envelope, else an error made of it."""
    body = without_keys(await upstream.read_all(MAX_ERROR_BYTES), target)
    headers = {name.decode(): value.decode("latin-1") for name, value in forwarded(upstream.headers)}
    headers.pop("content-type", None)
    credential = _credential(target)
    # A client may use another key of its own for the next try.
    if upstream.status in _LASTING and not (credential and credential.client):
        headers.setdefault("x-should-retry", "false")
    envelope = _envelope_of(body)
    if envelope is not None:
        told = envelope.request_id
        if "request-id" not in headers and isinstance(told, str) and _ID.fullmatch(told):
            headers["request-id"] = told  # both are to say the same, and the body stays as it came
        return PassedError(upstream.status, body, headers)
    text = "" if _MARKUP.match(body) else body.decode("utf-8", "replace").strip()[:2000]
    told = _foreign_words(body) or text or f"the upstream answered {upstream.status} without saying why"
    headers.pop("request-id", None)  # our envelope has our id, and the header is to say the same
    words = body[:MAX_READ].decode("utf-8", "replace")
    if "retry-after" not in headers and (wait_s := retry_after_s({}, words, 0.0)):
        headers["retry-after"] = str(wait_s)
    return UpstreamError(upstream.status, without_account(told), headers=headers)


class _ForeignError(msgspec.Struct):
    message: str = ""


class _Foreign(msgspec.Struct):
    error: _ForeignError | str | None = None
    message: str | None = None
    detail: str | None = None


def _foreign_words(body: bytes) -> str:
    """The message of an error in the form of Google, AWS or FastAPI, perhaps in an array; empty for any other body."""
    try:
        told = msgspec.json.decode(body, type=_Foreign | list[_Foreign])
    except UNREADABLE:
        return ""
    if isinstance(told, list):
        told = told[0] if told else _Foreign()
    error = told.error.message if isinstance(told.error, _ForeignError) else told.error
    return error or told.message or told.detail or ""


class _Envelope(msgspec.Struct):
    type: str
    error: dict[str, object]
    request_id: object = None


def _envelope_of(body: bytes) -> _Envelope | None:
    """Anthropic's error envelope; None where a body is something else."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
    except UNREADABLE:
        return None
    return envelope if envelope.type == "error" else None


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def is_json_object(body: bytes) -> bool:
    """Whether a body is one JSON object, as every answer of the API is."""
    try:
        body.decode()  # what msgspec passes over it does not look at
        _OBJECT.decode(body)
    except UNREADABLE:
        return False
    return True


class _Answer(msgspec.Struct):
    type: str | None = None
    content: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    input_tokens: int | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def tells_count(body: bytes) -> bool:
    """Whether a whole answer tells a number of tokens."""
    try:
        return _ANSWER.decode(body).input_tokens is not None
    except UNREADABLE:
        return False


def error_within(body: bytes, target: Target | Provider | None) -> UpstreamError | None:
    """The error that a JSON object under a good status is, in place of a message; None for a message."""
    try:
        answer = _ANSWER.decode(body)
    except UNREADABLE:
        answer = _Answer()
    if answer.type == "message" or answer.content is not msgspec.UNSET:
        return None
    said = without_keys(body, target)
    if _envelope_of(said) is not None:
        return told_error(said)
    if (stray := stray_error(body, target)) is not None and stray.status != _UNTOLD:
        return stray
    words = _foreign_words(said) or said.decode("utf-8", "replace")[:2000]
    told = without_account(words)
    return UpstreamProtocolError(f"the upstream answered with something that is no message: {told}")


class _StrayError(msgspec.Struct):
    message: str = ""
    code: object = None


class _Stray(msgspec.Struct):
    error: _StrayError | str | None
    status: object = None


def stray_error(data: bytes, target: Target | Provider | None) -> UpstreamError | None:
    """The error that an event without a type tells of, in a form of the gateway's own; None where it tells of none."""
    try:
        stray = msgspec.json.decode(without_keys(data, target), type=_Stray)
    except UNREADABLE:
        return None
    error = _StrayError(stray.error) if isinstance(stray.error, str) else stray.error or _StrayError()
    status = next((code for code in map(_status, (error.code, stray.status)) if code), _UNTOLD)
    return UpstreamError(status, without_account(error.message) or "the upstream ended its answer with an error")


def _status(code: object) -> int:
    """An HTTP status that is an error's; 0 for anything else."""
    number = int(code) if isinstance(code, int) or (isinstance(code, str) and _STATUS.fullmatch(code)) else 0
    return number if 400 <= number < 600 else 0


class _Told(msgspec.Struct):
    type: str = "api_error"
    message: str = "the upstream failed without saying why"


class _ToldEnvelope(msgspec.Struct):
    error: _Told


def told_error(envelope: bytes) -> UpstreamError:
    """Anthropic's error envelope, from a body or an `error` event, as our error."""
    try:
        told = msgspec.json.decode(envelope, type=_ToldEnvelope).error
    except UNREADABLE:
        told = _Told()
    return UpstreamError(_TYPE_STATUS.get(told.type, 500), told.message, type=told.type)
