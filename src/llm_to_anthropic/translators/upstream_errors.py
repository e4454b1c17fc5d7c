"""What errors of every upstream have in common: what is known of the request, and what may be told of the answer.

Never passed on: web pages, and anything that may be a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import UpstreamError
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.translators.rate_limits import retry_after_s

MAX_TEXT = 2000
MAX_READ = 64 * 1024
"""Longer texts are not looked at to their end."""

_HTML = re.compile(r"<\s*(?:!doctype|html|head|body)\b", re.IGNORECASE)
# Upstreams repeat what clients sent, a whole image for instance: these look at each character once.
_KEY_LIKE = re.compile(
    r"(?P<word>\b(?:sk|pk|gsk|xai|key|AIza)[\w*.-]++)|\bya29\.[\w.-]++|(?<=Bearer )\S++"
    r"|(?<![\w-])[\w-]*+\*{3,}+[\w*-]*+"
)
_LONG_NUMBER = re.compile(r"[\d*][\w*.-]{6,}")
"""What else a word needs that begins like a key to be one."""
_ACCOUNT = re.compile(
    r"\b(?:org|proj)[-_][A-Za-z0-9]{8,}"
    r"|(?<=\bproject_number:)\d++|(?<=[?&]project=)[\w:-]++|(?<=\bprojects/)[^\s/]++(?=/locations/)"
    r"|(?<=\bnot been used in project )[\w.:-]++"
)
"""Ids of the organisation and project that pay, OpenAI's and Google's: none of a client's business."""
_PLAIN_WORDS = re.compile(r"[A-Za-z']{1,20}(?:[ ,.;:!]+[A-Za-z']{1,20})*[ ,.;:!]*")
_REPEATED = re.compile(r"[,{] ?[\"']input[\"']: ?|\binput_value=")
"""What follows repeats what was sent: vLLM and others with Pydantic quote it, up to the whole request."""
_PLACE = re.compile(r"\bIn context=\(")
"""Where a schema is wrong, in OpenAI's words: names follow, which may be any text."""

_SAME = frozenset({401, 402, 403, 404, 408, 413, 429, 500, 504, 529})
"""Statuses that mean to our clients what they mean upstream."""
_PASSING = frozenset({429, 500, 502, 504, 529})
"""Errors that are over after a while."""


class ErrorContext(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the request that failed."""

    target: Target
    client_model: str
    prompt_tokens: int
    """An estimate."""

    @property
    def upstream(self) -> str:
        """Who failed, as a sentence begins with it."""
        return told_upstream(self.target)


def told_upstream(target: Target) -> str:
    """An upstream, as a sentence begins with it."""
    return f"upstream ({target.provider.name})"


def known_status(status: int) -> int:
    """Our status for an upstream's, where nothing else in its answer says more."""
    if status in _SAME:
        return status
    if status == 503:
        return 529
    return 400 if 400 <= status < 500 else 502


def pause(status: int, headers: Mapping[str, str], words: str, now: float = 0.0) -> dict[str, str]:
    """How long to wait, as the header that tells it, where waiting helps and the upstream says so.

    `status` is ours, `words` are those of the upstream's answer, `now` is Unix time.
    """
    if status not in _PASSING:
        return {}
    wait_s = retry_after_s(headers, words, now)
    return {} if wait_s is None else {"retry-after": str(wait_s)}


def upstream_error(status: int, message: str, headers: dict[str, str]) -> UpstreamError:
    """An upstream's error under our status; tells clients not to repeat what cannot get better."""
    if status in (400, 401, 402):
        # Asking again mends none of these, yet clients would do it ten times, or for minutes.
        headers["x-should-retry"] = "false"
    return UpstreamError(status, message, headers=headers)


def sentence(status: int, text: str, context: ErrorContext, *, wordless: str, advice: str = "") -> str:
    """What people are told of an error under our status; clients act on how some of these sentences begin.

    `text` is what the upstream said, `wordless` how one is described that said nothing.
    """
    target = context.target
    if status == 401:
        return key_refused(text, target)
    said = clean_text(text, target)
    told = f"{context.upstream}: {said}" if said else f"{context.upstream} answered with an error {wordless}"
    if advice:
        told = f"{told.rstrip('.')}. {advice}"
    match status:
        case 404:
            return f"model: {context.client_model} - {told}"
        case 413:
            return f"Request exceeds the maximum size - {told}"
        case 529:
            return f"Overloaded - {told}"
        case _:
            return told


def number_in(pattern: re.Pattern[str], text: str) -> int:
    """The number that one of the pattern's groups finds in a text; 0: none does."""
    found = pattern.search(text)
    return next((int(number) for number in found.groups() if number), 0) if found else 0


def own_words(text: str) -> str:
    """What an upstream says itself: the words of a client that it repeats mean nothing about account, key or model."""
    return _PLACE.split(without_repeated(text), maxsplit=1)[0]


def without_repeated(text: str) -> str:
    """The same, with the names in the schemas that it refuses: what is wrong with these is told behind them."""
    return _REPEATED.split(text[:MAX_READ], maxsplit=1)[0]


def is_error(error: Raw) -> bool:
    """Whether an `error` member says anything; some servers send it empty with every answer."""
    return bytes(error) not in (b"", b"null", b"{}", b"[]", b'""', b"false")


def key_refused(text: str, target: Target) -> str:
    """The sentence for a refused credential; `text` is what the upstream said."""
    # Vendors repeat the key here in part or in whole, so their words are passed on only where they are nothing else.
    credential, upstream = target.provider.credential, told_upstream(target)
    if credential.client:
        told = f"{upstream} refused your key, which this proxy passes on to it"
    elif credential.login is not None:
        told = f"{upstream} refused the proxy's {credential.login.vendor} credentials ({credential.login.remedy})"
    elif credential.variable:
        told = f"{upstream} refused the proxy's key (set {credential.variable} to a valid one)"
    else:
        told = f"{upstream} refused the proxy's key (set a valid api_key for this provider)"
    if any(secret in text for secret in credential.secrets):
        return told
    return f"{told}: {text}" if len(text) < MAX_TEXT and _PLAIN_WORDS.fullmatch(text) else told


def clean_text(text: str, target: Target) -> str:
    """What may be told of an upstream's words."""
    for secret in target.provider.credential.secrets:
        text = text.replace(secret, "***")
    text = without_account(_KEY_LIKE.sub(_masked, text[:MAX_READ]))
    return "" if is_web_page(text) else text[:MAX_TEXT]


def without_account(text: str) -> str:
    """An upstream's words without the ids of who pays, as far as they are looked at: what is not is not told either."""
    return _ACCOUNT.sub("***", text[:MAX_READ])


def _masked(found: re.Match[str]) -> str:
    word = found["word"]
    return word if word and not _LONG_NUMBER.search(word) else "***"


def is_web_page(text: str) -> bool:
    """Whether the text is HTML: of a proxy on the way, not of an API."""
    return _HTML.search(text) is not None


def read_json(body: bytes) -> object:
    """The value of a JSON text, read leniently; None where there is none."""
    try:
        return load_json(body)
    except ValueError:
        return None


def load_json(data: bytes) -> object:
    """The same. Raises ValueError where there is none."""
    try:
        value: object = json.loads(data.decode("utf-8", "replace"), strict=False)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def load_object(data: bytes) -> dict[str, object]:
    """The object that a JSON text is, or alone in an array. Raises ValueError where there is none."""
    value = load_json(data)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004  the text is wrong, not a type of ours
    return value
