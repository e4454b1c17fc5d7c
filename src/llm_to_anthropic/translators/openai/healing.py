"""What the refusals of OpenAI's APIs and those that speak like them have in common: which field they name, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from llm_to_anthropic.translators.openai.errors import read_refusal
from llm_to_anthropic.translators.upstream_errors import MAX_READ, number_in, own_words, without_repeated
from llm_to_anthropic.wire import UNREADABLE

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
    r"|max_tokens: \d{1,9} (?:>|exceeds maximum) (\d{1,9})|value <= (\d{1,9})"
    r"|max_(?:completion_|output_)?tokens\b[^,;]{0,40} must be between \d{1,9} and (\d{1,9})"
    r"|max_(?:completion_|output_)?tokens must be at most (\d{1,9})"
    r"|exceeds the maximum output tokens (?:limit: |allowed for model \S+ \()(\d{1,9})"
    r"|maximum tokens you requested exceeds the model limit of (\d{1,9})|should be in \[\d{1,9}, ?(\d{1,9})\]",
    re.IGNORECASE,
)
_BELOW = re.compile(r"\bto (\d{1,9}) ?\(exclusive\)", re.IGNORECASE)
_AT_LEAST = re.compile(r"value >= ?(\d{1,4})\b|must be at least (\d{1,4})\b", re.IGNORECASE)
_NO_IMAGES = re.compile(
    r"\b(?:does|do)(?: not|n't) support (?:image inputs?|images|vision|multimodal)\b(?! (?:larger|over|of|with)\b)"
    r"|\bsupport image input|\bimage inputs? (?:is|are) not (?:supported|enabled)|unknown variant `?image_url"
    r"|\bnot a (?:multimodal model|vlm)\b|text-only (?:server|model)\b.{0,20}image_url|\bnot supported for vision\b"
    r"|\bat most 0 images?\b|\bimage_url is only supported by\b|role:user\b.{0,80}\bvalue must be a string",
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
    """All of it, as it came and as far as such texts are read."""
    words: str
    """What it says for people, as far as these are words of its own."""
    of_schema: str
    """The same, with what it says of a schema and the names in that, which may be any text."""
    param: str
    """The field that it names in a place of its own; mostly there is none."""
    names: tuple[str, ...]
    """Words that may be fields, those first that stand in a place of their own (`param`)."""

    @property
    def refuses(self) -> bool:
        """Whether a field is refused, rather than its value."""
        return _REFUSES.search(self.words) is not None

    @property
    def most(self) -> int:
        """The highest number that would have been taken; 0: none is told."""
        return number_in(_AT_MOST, self.words) or max(0, number_in(_BELOW, self.words) - 1)

    @property
    def least(self) -> int:
        """The lowest number that would have been taken; 0: none is told."""
        return number_in(_AT_LEAST, self.words)


class _Param(msgspec.Struct):
    param: str | None = None


class _Envelope(msgspec.Struct):
    error: _Param


def read_complaint(body: bytes) -> Complaint:
    """What the body of a refusal says."""
    text = body[:MAX_READ].decode("utf-8", "replace")
    try:
        param = msgspec.json.decode(body, type=_Envelope).error.param or ""
    except UNREADABLE:
        param = ""
    of_schema = without_repeated(read_refusal(body).text or text)
    words = own_words(of_schema)
    return Complaint(text, words, of_schema, param, (*_NAMED.findall(param), *_NAMED.findall(words)))


def refused_field(
    names: Iterable[str], switches: Mapping[str, tuple[str, object]], quirks: object
) -> tuple[str, object] | None:
    """(quirk field, value) that leaves out the first of the named fields that is still sent; None: there is none.

    `switches` tells it of each field.
    """
    for name in names:
        field, value = switches.get(name, ("", None))
        if field and getattr(quirks, field) != value:
            return field, value
    return None


def unread_content(complaint: Complaint, *, images: bool, patterns: bool) -> str | None:
    """The quirk of a kind of content that was sent, as the arguments tell, and that cannot be read."""
    if images and _NO_IMAGES.search(complaint.words):
        return "images"
    return "patterns" if patterns and _NO_PATTERN.search(complaint.of_schema) else None


def fewer_efforts(complaint: Complaint, efforts: tuple[str, ...], sent: str | None) -> tuple[str, ...]:
    """The levels of effort without the one that was sent, if it is that which the upstream refuses; else none."""
    if sent not in efforts or not re.search(rf"\b{re.escape(sent)}\b", complaint.text):
        return ()
    return tuple(effort for effort in efforts if effort != sent)
