"""Rate limits and retry hints of OpenAI-like upstreams -> Anthropic's headers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

MAX_WAIT_S = 7 * 24 * 3600
"""A longer wait is no hint but a misreading."""

RATE_LIMITS = b"x-ratelimit-"
"""How the headers begin that `rate_limit_headers` reads."""

_COUNTS = "limit", "remaining"
_TABLE = tuple(
    (f"x-ratelimit-{kind}-{what}", f"anthropic-ratelimit-{what}-{kind}", kind in _COUNTS)
    for what in ("requests", "tokens")
    for kind in (*_COUNTS, "reset")
)
"""Name of a header there, its name here, and whether its value is a number."""

_THIS_AGE = (1e9, 1e10)
_UNIX_SCALES = (1, 1000)
"""Some servers tell a Unix time in place of a wait, OpenRouter in milliseconds."""

_SECONDS: Mapping[str, float] = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_UNIT = "|".join(_SECONDS)
_PART = re.compile(rf"(?<!\d)(\d++(?:\.\d+)?)({_UNIT})")
_DURATION = re.compile(rf"(?:\d+(?:\.\d+)?(?:{_UNIT}))+")
_IN_TEXT = re.compile(
    r"(?:try again|retry) (?:in|after) (?P<words>\d+(?:\.\d+)?) ?sec"
    r"|(?:try again|retry) (?:in|after) (?P<span>(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)"
    r"|\"retryDelay\": ?\"(?P<delay>\d+(?:\.\d+)?)s\""
    r"|\"(?:retry_after(?:_seconds|_s)?|resets_in_seconds)\": ?(?P<member>\d+(?:\.\d+)?)",
    re.IGNORECASE,
)


def rate_limit_headers(headers: Mapping[str, str], now: float) -> dict[str, str]:
    """`x-ratelimit-*` as `anthropic-ratelimit-*`. `headers` have lower-case names, `now` is Unix time.

    A reset is a duration from now there ("6m0s"), and an instant here (RFC 3339, UTC).
    """
    found = {}
    for there, here, is_count in _TABLE:
        value = headers.get(there)
        if value is None:
            continue
        if is_count:
            if value.isdecimal():
                found[here] = value
        elif (wait := duration_s(value)) is not None:
            found[here] = _instant(math.ceil(now + wait))
    return found


@lru_cache(maxsize=64)
def _instant(second: int) -> str:
    """A Unix time as RFC 3339 writes it. Many answers of a second name the same."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def retry_after_s(headers: Mapping[str, str], body: str, now: float) -> int | None:
    """Whole seconds to wait, from the headers or else the words of the body."""
    for wait in (
        _milliseconds(headers.get("retry-after-ms", "")),
        _milliseconds(headers.get("x-ms-retry-after-ms", "")),
        _until(headers.get("retry-after", ""), now),
        _exhausted(headers, now),
        _in_words(body),
    ):
        if wait is not None and wait <= MAX_WAIT_S:
            return max(0, math.ceil(wait))
    return None


def duration_s(text: str) -> float | None:
    """Seconds of a duration like `6m0s`, `120ms` or a bare number."""
    text = text.strip()
    total = _short_s(text)
    if total is None:
        total = _number(text)
    if total is None:
        if not _DURATION.fullmatch(text):
            return None
        total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return total if total <= MAX_WAIT_S else None


def _short_s(text: str) -> float | None:
    """Seconds of `120ms` or `8.64s`, as most waits are told; None of anything else."""
    unit = "ms" if text.endswith("ms") else "s"
    whole, point, part = text.removesuffix(unit).partition(".")
    if not text.endswith("s") or not whole.isdecimal() or (point and not part.isdecimal()):
        return None
    return float(whole + point + part) * _SECONDS[unit]


def _milliseconds(text: str) -> float | None:
    number = _number(text)
    # Azure sends 0 here beside a true `retry-after`.
    return number / 1000 if number else None


def _until(text: str, now: float) -> float | None:
    """Seconds until what is told as a number, a duration, a Unix time, an HTTP date or one of RFC 3339."""
    number = _number(text)
    if number is not None:
        scale = next((scale for scale in _UNIX_SCALES if _THIS_AGE[0] <= number / scale < _THIS_AGE[1]), None)
        return number if scale is None else number / scale - now
    span = duration_s(text)
    if span is not None or not text:
        return span
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = parse(text)
            # One of HTTP without a zone is UTC, and no time of this machine's.
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
        except (TypeError, ValueError, OverflowError):
            continue
    return None


def _exhausted(headers: Mapping[str, str], now: float) -> float | None:
    """The nearest reset among the limits of which nothing remains."""
    waits = [
        _until(headers.get(name.replace("remaining", "reset"), ""), now)
        for name, value in headers.items()
        if "ratelimit-" in name and "remaining" in name and value.strip() == "0"
    ]
    return min((wait for wait in waits if wait is not None), default=None)


def _in_words(body: str) -> float | None:
    found = _IN_TEXT.search(body)
    if found is None:
        return None
    number = found["words"] or found["delay"] or found["member"]
    return float(number) if number else duration_s(found["span"])


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
