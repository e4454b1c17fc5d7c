"""The arguments of one tool call, from the first fragment to the object that the client has to get.

They pass on as they come while they are JSON, or wait for their end where they may have to be changed.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from llm_to_anthropic.translators.argument_json import (
    ObjectCheck,
    holds_object,
    is_object,
    object_text,
    with_whole_surrogates,
)
from llm_to_anthropic.translators.schemas.closing import remove_optional_nulls
from llm_to_anthropic.writer import sound


class CallArguments:
    """The arguments of a call as far as they came, and as far as the client has them."""

    __slots__ = ("_check", "_held", "_pieces", "_sent")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._sent: list[str] = []
        self._held = ""
        """The end of what is sound so far: perhaps half a surrogate pair, which the client must not get."""
        self._check: ObjectCheck | None = None
        """Checks arguments that are passed on as they come; None once they are no JSON."""

    def pass_on(self) -> str:
        """Passes fragments on as they come from now on; gives those that came before."""
        self._check = ObjectCheck()
        return self._checked(self.text())

    def feed(self, fragment: str) -> str:
        """A fragment -> what the client gets of it now."""
        self._pieces.append(fragment)
        return self._checked(fragment) if self._check is not None else ""

    def text(self) -> str:
        """All of it, as it came."""
        return "".join(self._pieces)

    def is_cut(self) -> bool:
        """There is something, and no object in it: the beginning of one, where the token limit ended the answer."""
        text = sound(self._resent() or self.text())
        return bool(text.strip()) and not holds_object(text)

    def rest(self, schema: object = None) -> str:
        """What is still to be sent of complete arguments; members that are null and optional in `schema` are not."""
        if self._sent:
            return _closing("".join(self._sent))
        text = object_text(self._resent() or self.text())
        return text if schema is None else _without_nulls(schema, text)

    def cut_rest(self) -> str:
        """What is still to be sent of arguments that end midway."""
        if self._sent:
            return "" if self._check is not None else _closing("".join(self._sent))
        text = self.text()
        return with_whole_surrogates(text) if ObjectCheck().feed(text) else ""

    def _resent(self) -> str:
        """The last fragment, where each repeats all before it; empty where each brings only what is new."""
        pieces = [piece for piece in self._pieces if piece]
        if len(pieces) < 2 or not all(later.startswith(earlier) for earlier, later in pairwise(pieces)):
            return ""
        # Pieces may begin alike by chance: what they make together comes first.
        return pieces[-1] if is_object(pieces[-1]) and not is_object(self.text()) else ""

    def _checked(self, fragment: str) -> str:
        if self._check is None or not fragment:
            return ""
        if not self._check.feed(fragment):
            self._check = None
            return ""
        if self._held or self._check.undecided or self._check.halves:
            fragment = self._without_halves(fragment)
        self._sent.append(fragment)
        return fragment

    def _without_halves(self, fragment: str) -> str:
        text = self._held + fragment
        end = len(text) - (self._check.undecided if self._check is not None else 0)
        self._held = text[end:]
        return with_whole_surrogates(text[:end])


def _closing(sent: str) -> str:
    check = ObjectCheck()
    check.feed(sent)
    return check.closing()


def _without_nulls(schema: object, text: str) -> str:
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return msgspec.json.encode(remove_optional_nulls(schema, value)).decode()
