"""Errors of OpenAI and of servers that speak its APIs, as HTTP answers or inside a stream -> Anthropic's errors.

Clients act on Anthropic's statuses, types and a few exact wordings: what is retried, compacted or given up is decided
here. Never passed on: web pages, and anything that may be a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from llm_to_anthropic.errors import UpstreamError, UpstreamSpoiled
from llm_to_anthropic.translators.overflow import overflow_message
from llm_to_anthropic.translators.rate_limits import rate_limit_headers
from llm_to_anthropic.translators.upstream_errors import (
    MAX_READ,
    ErrorContext,
    is_web_page,
    known_status,
    number_in,
    own_words,
    pause,
    read_json,
    sentence,
    upstream_error,
)

_BILLING_TEXT = re.compile(
    r"insufficient (?:balance|funds|credits?)|credit balance is too low|used all available credits|not enough balance"
    r"|balance is insufficient|余额不足",
    re.IGNORECASE,
)
_OVERLOAD_TEXT = re.compile(
    r"(?:engine|model|server) is (?:currently )?overloaded|degraded function cannot be invoked", re.IGNORECASE
)
"""The latter is NVIDIA's, under a 400: what is degraded is its own deployment of the model."""
_KEY_TEXT = re.compile(
    r"(?<![\w.'\"`])api[ _-]?key\b.{0,40}(?:invalid|expired|not valid|incorrect)"
    r"|(?:invalid|incorrect|expired) api[ _-]?key\b",
    re.IGNORECASE,
)
"""Not a name in quotes or in a path: that is of a client's tool, whose schema is refused."""
_MODEL_TEXT = re.compile(
    r"\bmodel\b.{0,80}(?:not found|does not exist|not exist\b)|\bunknown model\b|\bis not a valid model id\b"
    r"|\binvalid model name passed\b",
    re.IGNORECASE,
)

_STATUS_TEXT = re.compile(r"\bError code: (?!40[13])([45]\d\d) - ")
"""What OpenAI's SDK makes of an error; a gateway that is written with it hands that on. A key that is refused there is
the gateway's, which has taken ours."""
_CUT_OFF = re.compile(r"could not finish the message because max_tokens or model output limit was reached", re.I)

_CODES: Mapping[str, int] = {
    "insufficient_quota": 402,
    "billing_hard_limit_reached": 402,
    "billing_not_active": 402,
    "credit_balance_exhausted": 402,
    "exceeded_current_quota_error": 402,
    "insufficient_user_quota": 402,
    "pre_consume_token_quota_failed": 402,
    "Arrearage": 402,
    "AllocationQuota.FreeTierOnly": 402,
    "CommodityNotPurchased": 402,
    "PrepaidBillOverdue": 402,
    "PostpaidBillOverdue": 402,
    "server_is_overloaded": 529,
    "slow_down": 529,
    "engine_overloaded_error": 529,
    "overloaded_error": 529,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "RateLimitReached": 429,
    "usage_limit_reached": 429,
    "tokens": 429,
    "requests": 429,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "model_not_supported": 404,
    "model_not_available": 404,
    "model_decommissioned": 404,
    "invalid_model": 404,
    "not_found_error": 404,
    "server_error": 502,
    "api_error": 502,
    "timeout": 504,
    "timeout_error": 504,
    "context_length_exceeded": 400,
    "cyber_policy": 400,
    "content_policy_violation": 400,
    "content_filter": 400,
    "tool_use_failed": 400,
    "json_validate_failed": 400,
    "output_parse_failed": 400,
    "invalid_request_error": 400,
    "BadRequestError": 400,
}
"""What error codes and types mean, where they say more than the HTTP status or stand without one."""
_IMAGE = "image"
"""A part of all codes of images that cannot be used: `invalid_image_format`, `image_too_large` ..."""
_OVERRULING = frozenset({402, 529})
_SPOILED = frozenset({"tool_use_failed", "json_validate_failed", "output_parse_failed"})
"""Codes of Groq's for what a model said, which was no call or JSON: the request is sound, and may be sent again."""


_TELLING = (
    "message",
    "msg",
    "error_msg",
    "error_message",
    "errmsg",
    "status_msg",
    "detail",
    "reason",
    "faultstring",
    "error",
    "errors",
    "fault",
    "base_resp",
)
"""Names under which servers and gateways put their words, in lower case."""
MAX_DEPTH = 5
_ALWAYS_ERRORS = ("errors", "error_msg", "error_message", "fault", "base_resp")
"""Names of those under which there is nothing but an error."""
_OTHER_NAMES = re.compile(rb'"(?:errors|fault|base_resp|(?:error_|err)?msg|error_message)"', re.IGNORECASE)
_OUTCOMES = ("status_code", "error_code", "code", "status", "success")
"""Names of what says whether a text beside it is one."""
_GOOD = frozenset({"0", "200", "true", "ok", "success"})


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What an upstream's error says, whatever its form."""

    text: str = ""
    code: str = ""
    type: str = ""
    status: int | None = None
    """An HTTP status inside the error."""
    numbers: Mapping[str, int] = {}


def http_error(
    status: int, headers: Mapping[str, str], body: bytes, context: ErrorContext, now: float
) -> UpstreamError:
    """The error of an HTTP answer. `headers` have lower-case names; `now` is Unix time."""
    refusal = read_refusal(body)
    status, message = _judge(status, refusal, context)
    told = rate_limit_headers(headers, now) | pause(status, headers, _words(body), now)
    return _made(status, message, told, refusal)


def embedded_error(error: bytes, context: ErrorContext) -> UpstreamError:
    """The error of an error object (or text) inside an answer with status 200, as JSON."""
    body = b'{"error":%b}' % error
    refusal = _read_value(read_json(body))
    status, message = _judge(refusal.status or _untold_status(refusal), refusal, context)
    made = _made(status, message, pause(status, {}, _words(error)), refusal)
    made.said = body if len(body) <= MAX_READ else b""
    return made


def _untold_status(refusal: Refusal) -> int:
    """The status of an error that has none, by its code or its words."""
    if status := _CODES.get(refusal.code) or _CODES.get(refusal.type):
        return status
    if _IMAGE in refusal.code:
        return 400
    return number_in(_STATUS_TEXT, own_words(refusal.text)) or 502


def tells_error(event: bytes) -> bool:
    """Whether an event of a stream without a choice is an error, under another name than `error`."""
    value = read_json(event) if _OTHER_NAMES.search(event) else None
    if not isinstance(value, dict):
        return False
    told = next((found for name in _ALWAYS_ERRORS if (found := value.get(name))), None)
    if told is not None:
        return _outcome(told) is not True and bool(_any_text(told, MAX_DEPTH))
    return _outcome(value) is False and bool(_any_text(value, MAX_DEPTH))


def is_cut_off(body: bytes) -> bool:
    """Whether an error body says that the tokens did not suffice for a single word: an answer without any."""
    return _CUT_OFF.search(own_words(read_refusal(body).text)) is not None


def _outcome(value: object) -> bool | None:
    """Whether all went well, by the flags beside an answer's words; None: there are none."""
    if not isinstance(value, dict):
        return None
    said = [str(value[name]).lower() for name in _OUTCOMES if value.get(name) is not None]
    return all(each in _GOOD for each in said) if said else None


def _made(status: int, message: str, headers: dict[str, str], refusal: Refusal) -> UpstreamError:
    if refusal.code in _SPOILED:
        return UpstreamSpoiled(status, message, headers=headers)
    return upstream_error(status, message, headers)


def read_refusal(body: bytes) -> Refusal:
    """What an error body says: JSON in any vendor's form, or plain text. A web page says nothing."""
    value = read_json(body)
    if value is not None:
        refusal = _read_value(value)
        return msgspec.structs.replace(refusal, text=refusal.text[:MAX_READ])
    text = _words(body).strip()
    return Refusal(text="" if is_web_page(text) else text)


def _words(body: bytes) -> str:
    return body[:MAX_READ].decode("utf-8", "replace")


def _judge(status: int, refusal: Refusal, context: ErrorContext) -> tuple[int, str]:
    """(our status, the sentence for people)."""
    words = own_words(refusal.text)
    status = _our_status(status, refusal, words)
    codes = (refusal.code, refusal.type)
    refused = status in (400, 413, 422)
    # llama.cpp calls it a failure of its own, and LM Studio says inside of a stream only what is wrong.
    if (refused or status in (500, 502)) and (
        told := overflow_message(words, context, codes, refusal.numbers, refused=refused)
    ):
        return 400, told
    return status, sentence(status, refusal.text, context, wordless="and said nothing readable")


def _our_status(status: int, refusal: Refusal, words: str) -> int:
    code_status = _CODES.get(refusal.code) or _CODES.get(refusal.type)
    if code_status in _OVERRULING:
        return code_status
    if _BILLING_TEXT.search(words):
        return 402
    if _OVERLOAD_TEXT.search(words):
        return 529
    if status == 400 and _KEY_TEXT.search(words):
        return 401
    if status in (400, 422) and (code_status == 404 or _MODEL_TEXT.search(words)):
        return 404
    if status == 503 and refusal.code == "model_not_found":  # new-api's, of a model for which it has no channel
        return 404
    return known_status(status)


def _read_value(value: object) -> Refusal:
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        return Refusal(text=value)
    if not isinstance(value, dict):
        return Refusal()
    inner = value.get("error")
    error = inner if isinstance(inner, dict) else value
    code = error.get("code")
    status = next((found for found in map(_http_status, (error.get("status_code"), code)) if found), None)
    return Refusal(
        text=_first_text(value, inner),
        code=code if isinstance(code, str) else "",
        type=_string(error.get("type")),
        status=status,
        numbers={name: number for name, number in error.items() if type(number) is int},
    )


def _first_text(value: dict[str, object], inner: object) -> str:
    if isinstance(inner, dict):
        text = _details(inner.get("message")) or _details(inner.get("detail"))
        text = _with_param(text, inner.get("param"))
        return _with_origin(text, inner.get("metadata")) or _any_text(inner, MAX_DEPTH)
    candidates = (inner, value.get("message"), value.get("detail"), value.get("title"))
    return next((text for text in map(_details, candidates) if text), "") or _any_text(value, MAX_DEPTH)


def _any_text(value: object, depth: int) -> str:
    """The first text under a name that promises words, however deep a server hides it."""
    if isinstance(value, str) or not depth:
        return _string(value)
    if isinstance(value, list):
        return next((text for item in value if (text := _any_text(item, depth - 1))), "")
    if not isinstance(value, dict):
        return ""
    named = {str(name).lower(): inner for name, inner in value.items()}
    return next((text for name in _TELLING if (text := _any_text(named.get(name), depth - 1))), "")


def _details(detail: object) -> str:
    """FastAPI's `detail`: a text, or a list of places with what is wrong there. Mistral has it in its `message`."""
    if isinstance(detail, dict):
        detail = detail.get("detail")
    if not isinstance(detail, list):
        return _string(detail)
    return "; ".join(_problem(item) for item in detail if isinstance(item, dict))


def _problem(item: dict[str, object]) -> str:
    where, what = item.get("loc"), _string(item.get("msg"))
    return f"{'.'.join(map(str, where))}: {what}" if isinstance(where, list) else what


def _with_param(text: str, param: object) -> str:
    """Mostly a name stands there; some servers have the sentence in it, and next to nothing in the message."""
    if not isinstance(param, str) or " " not in param:
        return text
    return f"{text}: {param}" if text else param


def _with_origin(text: str, metadata: object) -> str:
    """OpenRouter's own sentence says little; what its provider said stands in `metadata.raw`."""
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str) or not raw:
        return text
    nested = read_json(raw.encode("utf-8", "replace"))
    origin = _read_value(nested).text if isinstance(nested, (dict, list)) else raw
    return f"{text}: {origin}" if origin else text


def _http_status(code: object) -> int | None:
    number = int(code) if isinstance(code, str) and code.isdecimal() and len(code) == 3 else code
    return number if isinstance(number, int) and 400 <= number < 600 else None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
