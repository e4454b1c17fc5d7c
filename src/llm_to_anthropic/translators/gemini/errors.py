"""Google's errors, as HTTP answers or inside a stream -> Anthropic's errors.

Google answers 400 to a wrong key and to a place that it does not serve, and wraps errors of streams in an array.
Source: google.rpc.Status and ai.google.dev, Troubleshooting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.overflow import overflow_message
from llm_to_anthropic.translators.upstream_errors import (
    MAX_READ,
    ErrorContext,
    is_web_page,
    known_status,
    pause,
    read_json,
    sentence,
    upstream_error,
)

_BY_NAME: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "OUT_OF_RANGE": 400,
    "FAILED_PRECONDITION": 400,
    "UNIMPLEMENTED": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 500,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNAVAILABLE": 529,
    "DEADLINE_EXCEEDED": 504,
}

_KEY_REASON = re.compile(r'"reason"\s*+:\s*+"API_KEY_(?:INVALID|EXPIRED)"')
_KEY = re.compile(r"(?<![\w.\['\"`])api key (?:not valid|expired|not found|is invalid)", re.IGNORECASE)
"""Not a name in brackets or quotes: that is of a client's tool, whose schema is refused."""
_TOO_LARGE = re.compile(r"request payload size exceeds|request entity too large", re.IGNORECASE)
_PLACE = re.compile(r"location is not supported", re.IGNORECASE)
_BILLING = re.compile(r"billing|prepay", re.IGNORECASE)
_NO_MONEY = re.compile(r"credits? (?:is|are) depleted|exceeded its (?:monthly )?spend(?:ing)? cap", re.IGNORECASE)
"""Google's words for a 429 that waiting does not mend; all the others speak of billing, too."""
_NO_QUOTA = re.compile(r"\blimit: ?0\b")
_A_DAY = re.compile(r"PerDay|per day", re.IGNORECASE)
_NO_KEY = re.compile(r"unregistered callers|without established identity", re.IGNORECASE)
_TEMPLATE = re.compile(r"\$\w+")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What an error of Google's says."""

    text: str = ""
    name: str = ""
    """The status by its name: INVALID_ARGUMENT."""
    code: int | None = None
    everything: str = ""
    """The whole body: reasons and quotas stand in its details."""


def http_error(
    status: int, headers: Mapping[str, str], body: bytes, context: ErrorContext, now: float
) -> UpstreamError:
    """The error of an HTTP answer. `headers` have lower-case names; `now` is Unix time."""
    return _error(status, headers, read_refusal(body), context, now)


def embedded_error(error: bytes, context: ErrorContext) -> UpstreamError:
    """The error of an error object inside an answer with status 200, as JSON."""
    refusal = read_refusal(b'{"error":%b}' % error)
    return _error(refusal.code or 502, {}, refusal, context, 0.0)


def read_refusal(body: bytes) -> Refusal:
    """What an error body says; one of a stream may stand in an array or in an event. A web page says nothing."""
    everything = body[:MAX_READ].decode("utf-8", "replace").strip()
    value = read_json(body.strip().removeprefix(b"data:"))
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return Refusal(text="" if value is not None or is_web_page(everything) else everything)
    error = value.get("error")
    if not isinstance(error, dict):
        return Refusal(text=error[:MAX_READ] if isinstance(error, str) else "", everything=everything)
    text, name, code = error.get("message"), error.get("status"), error.get("code")
    return Refusal(
        text=text[:MAX_READ] if isinstance(text, str) and not _TEMPLATE.fullmatch(text) else "",
        name=name if isinstance(name, str) else "",
        code=code if isinstance(code, int) and 400 <= code < 600 else None,
        everything=everything,
    )


def _error(
    http_status: int, headers: Mapping[str, str], refusal: Refusal, context: ErrorContext, now: float
) -> UpstreamError:
    status = _our_status(http_status, refusal)
    told = pause(status, headers, refusal.everything, now)
    too_long = overflow_message(refusal.text, context) if status in (400, 413) else None
    if too_long is not None:
        return upstream_error(400, too_long, told)
    wordless, advice = f"({refusal.name or status})", _advice(status, refusal, context.target)
    return upstream_error(status, sentence(status, refusal.text, context, wordless=wordless, advice=advice), told)


def _our_status(status: int, refusal: Refusal) -> int:
    told = refusal.everything
    if status in (400, 403) and (_KEY_REASON.search(told) or _KEY.search(refusal.text)):
        return 401
    if status == 400 and _TOO_LARGE.search(told):
        return 413
    if refusal.name == "FAILED_PRECONDITION" and _PLACE.search(told):
        return 403
    if refusal.name == "FAILED_PRECONDITION" and _BILLING.search(told):
        return 402
    limited = 429 in (status, _BY_NAME.get(refusal.name))
    if limited and (_NO_QUOTA.search(refusal.text) or _NO_MONEY.search(refusal.text)):
        return 402
    if refusal.name in _BY_NAME:
        return _BY_NAME[refusal.name]
    return 400 if status == 501 else known_status(status)


def _advice(status: int, refusal: Refusal, target: Target) -> str:
    """What the operator or the user can do, where Google's words leave that open."""
    vertex = target.gemini.backend == "vertex"
    setting = target.provider.credential.variable or "the api_key of this provider"
    match status:
        case 402 if _NO_QUOTA.search(refusal.text):
            return "This project has no quota for the model: enable billing for it, or use another model"
        case 402 if _NO_MONEY.search(refusal.text):
            return "Add credits to the project of the key, or raise its spending cap"
        case 402:
            return "Enable billing for the project of the key"
        case 403 if _PLACE.search(refusal.everything):
            return "Google does not serve the Gemini API from where this proxy runs; Vertex AI may be available there"
        case 403 if _NO_KEY.search(refusal.text):
            return f"The request had no key: set {setting}"
        case 404 if vertex:
            return "Vertex AI also says so where the model is not served in the configured location"
        case 429 if _A_DAY.search(refusal.everything):
            return "The quota of the day is used up: wait for tomorrow, raise it, or use another model"
        case 429 if not vertex:
            return "Slow down, or raise the quota of the project (https://ai.google.dev/gemini-api/docs/rate-limits)"
        case _:
            return ""
