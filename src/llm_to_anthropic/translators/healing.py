"""What the refusals of OpenAI's APIs and those that speak like them have in common: which field they name, and why."""

from __future__ import annotations

import re

import msgspec

from llm_to_anthropic.translators.openai_errors import read_refusal

EFFORT_OF_XAI = "reasoningEffort"
"""So xAI calls the level of effort that it refuses, at both of its APIs."""
_REFUSES = re.compile(
    r"unsupported|not support|n't support|unknown|unrecogni[sz]ed|unexpected|extra[ _]"
    r"|not (?:permitted|allowed|available|compatible)|incompatible|only (?:the default|1 is allowed)"
    r"|must be (?:one of|removed|verified)|restricted to true|not greater than 0\b|deprecated",
    re.IGNORECASE,
)
_AT_MOST = re.compile(
    r"at most (\d{1,9}) (?:completion|output)|less than or equal to [`']?(\d{1,9})"
    r"|(?:range of )?max_(?:completion_|output_)?tokens (?:is|should be) \[\d{1,9}, ?(\d{1,9})\]"
    r"|max_tokens: \d{1,9} > (\d{1,9})|value <= (\d{1,9})|must be between \d{1,9} and (\d{1,9})",
    re.IGNORECASE,
)
_NO_IMAGES = re.compile(
    r"\b(?:does|do)(?: not|n't) support (?:image inputs?|images|vision|multimodal)\b|\bsupport image input"
    r"|\bimage inputs? (?:is|are) not (?:supported|enabled)|unknown variant `?image_url"
    r"|\bnot a (?:multimodal model|vlm)\b|text-only (?:server|model)\b.{0,20}image_url|\bnot supported for vision\b"
    r"|\bat most 0 images?\b",
    re.IGNORECASE,
)
_NO_PATTERN = re.compile(
    r"\bis not a '?regex|\bpattern must start with|\bunsupported pattern\b|\bschema conversion failed\b"
    r"|\blook-?(?:ahead|behind|around)s?\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[A-Za-z_]{3,}")


class Complaint(msgspec.Struct, frozen=True):
    """What a 400 or 422 says."""

    text: str
    """All of it, as it came."""
    param: str
    """The field that it names in a place of its own; mostly there is none."""
    names: tuple[str, ...]
    """Words that may be fields, those first that stand in a place of their own (`param`)."""

    @property
    def refuses(self) -> bool:
        """Whether a field is refused, rather than its value."""
        return _REFUSES.search(self.text) is not None

    @property
    def most(self) -> int:
        """The highest number that would have been taken; 0: none is told."""
        limit = _AT_MOST.search(self.text)
        return next((int(number) for number in limit.groups() if number), 0) if limit else 0


class _Param(msgspec.Struct):
    param: str | None = None


class _Envelope(msgspec.Struct):
    error: _Param


def read_complaint(body: bytes) -> Complaint:
    """What the body of a refusal says."""
    text = body.decode("utf-8", "replace")
    try:
        param = msgspec.json.decode(body, type=_Envelope).error.param or ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        param = ""
    said = read_refusal(body).text or text
    return Complaint(text, param, (*_NAMED.findall(param), *_NAMED.findall(said)))


def refuses_images(body: bytes) -> bool:
    """Whether a model takes no images at all, by the body of the error."""
    return _NO_IMAGES.search(read_refusal(body).text) is not None


def refuses_patterns(body: bytes) -> bool:
    """Whether a regular expression in a schema cannot be read, by the body of the error."""
    return _NO_PATTERN.search(read_refusal(body).text) is not None


def fewer_efforts(complaint: Complaint, efforts: tuple[str, ...], sent: str | None) -> tuple[str, ...]:
    """The levels of effort without the one that was sent, if it is that which the upstream refuses; else none."""
    if sent not in efforts or not re.search(rf"\b{re.escape(sent)}\b", complaint.text):
        return ()
    return tuple(effort for effort in efforts if effort != sent)
