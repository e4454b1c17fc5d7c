"""A function call whose arguments come in pieces, each for the place that a JSON path names (Vertex AI)."""

from __future__ import annotations

import re
from itertools import pairwise

from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.wire.gemini import FunctionCall, PartialArgument

MAX_INDEX = 10_000

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")


class PartialCall:
    """One call, until it is complete."""

    def __init__(self, call: FunctionCall, signature: str) -> None:
        self.signature = signature
        self._id = call.id
        self._name = call.name
        self._arguments: dict[str, object] = {}

    def add(self, pieces: list[PartialArgument]) -> None:
        for piece in pieces:
            steps = [int(index) if index else key or quoted for key, index, quoted in _STEP.findall(piece.json_path)]
            if steps and isinstance(steps[0], str):
                _put(self._arguments, steps, piece)

    def call(self) -> FunctionCall:
        """The whole call."""
        return FunctionCall(id=self._id, name=self._name, args=raw_json(self._arguments))


def _put(place: object, steps: list[str | int], piece: PartialArgument) -> None:
    for step, following in pairwise(steps):
        inner = _at(place, step)
        if not isinstance(inner, dict | list):
            inner = [] if isinstance(following, int) else {}
            _set(place, step, inner)
        place = inner
    value = _value(piece)
    before = _at(place, steps[-1])
    # Later pieces of a string go on with it.
    _set(place, steps[-1], before + value if isinstance(before, str) and isinstance(value, str) else value)


def _at(place: object, step: str | int) -> object:
    if isinstance(place, dict):
        return place.get(step)
    if isinstance(place, list) and isinstance(step, int) and step < len(place):
        return place[step]
    return None


def _set(place: object, step: str | int, value: object) -> None:
    if isinstance(place, dict):
        place[step] = value
    elif isinstance(place, list) and isinstance(step, int) and step < MAX_INDEX:
        place.extend([None] * (step + 1 - len(place)))
        place[step] = value


def _value(piece: PartialArgument) -> object:
    if piece.string_value is not None:
        return piece.string_value
    if piece.bool_value is not None:
        return piece.bool_value
    number = piece.number_value
    return int(number) if number is not None and number.is_integer() else number
