"""Takes secrets out of text that is about to be written down."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from llm_to_anthropic.providers.provider import MIN_SECRET

STARS = "***"

_MARKS = (("-", "sk-"), ("I", "AIza"), ("y", "ya29."), (" ", "earer "), (" ", "asic "), ("=", "key="))
"""A text without any of these holds nothing of the shapes below. To look for the letter first, which ordinary lines
may not have, takes a tenth of the time."""
_SHAPES = re.compile(
    r"sk-[A-Za-z0-9_\-]{6,}"
    r"|AIza[A-Za-z0-9_\-]{8,}"
    r"|ya29\.[A-Za-z0-9_\-.]{6,}"
    r"|(?<=[Bb]earer )[A-Za-z0-9_\-.~+/=]{4,}"
    r"|(?<=[Bb]asic )[A-Za-z0-9+/=]{6,}"
    r"|(?<=[?&_\s\"']key=)[^&\s\"']+"
)


def _in_json(secret: str) -> str:
    """A secret as it stands in a line of JSON, where quotation marks and backslashes are escaped."""
    return msgspec.json.encode(secret)[1:-1].decode()


class Redactor:
    """Replaces known secrets, and whatever has the shape of a key, by `***`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._given = frozenset(secret for secret in secrets if len(secret) >= MIN_SECRET)
        self._secrets = tuple(sorted(self._given.union(map(_in_json, self._given)), key=len, reverse=True))

    def knowing(self, secrets: Iterable[str]) -> Redactor:
        """One that knows these as well."""
        return Redactor((*self._given, *secrets))

    def clean(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, STARS)
        for letter, mark in _MARKS:
            if letter in text and mark in text:
                return _SHAPES.sub(STARS, text)
        return text
