"""The arguments of tool calls: JSON text that a model wrote, made the JSON object that clients rely on.

The official SDK raises on input that is not the beginning of a JSON object, and what was streamed cannot be taken
back: so live fragments are checked as they pass, and whole arguments are repaired where that is safe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from llm_to_anthropic.writer import sound

_PLAIN_RUN = re.compile(r'[^"\\\x00-\x1f]*+(?:\\["\\/bfnrt][^"\\\x00-\x1f]*+)*+')
"""A part of a string, with the escapes that are complete in themselves."""
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_ESCAPE_START = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_START = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.(?:[0-9]+(?:[eE][+-]?[0-9]*)?)?|[eE][+-]?[0-9]*)?)?")
_THREE_DIGITS = re.compile(r"[0-9]{3}")
_LITERALS = ("true", "false", "null")
_SCALAR_CHARS = frozenset("+-.0123456789abcdefghijklmnopqrstuvwxyzE")

_SCALAR_STARTS = frozenset("-0123456789tfn")
_CLOSES = {"{": "}", "[": "]"}
_TOKENS: Mapping[str, Mapping[str, str]] = {
    "object": {"{": "open"},
    "first key": {'"': "string", "}": "close"},
    "key": {'"': "string"},
    "colon": {":": "colon"},
    "first value": {'"': "string", "{": "open", "[": "open", "]": "close"},
    "value": {'"': "string", "{": "open", "[": "open"},
    "comma": {",": "comma", "}": "close", "]": "close"},
    "nothing": {},
}
"""What a character is where this is expected; a scalar apart."""

_STRING_OR_COMMA = re.compile(r'(?P<string>"(?:[^"\\]|\\.|\\\Z)*+(?:"|\Z))|,(?=\s*+[}\]])', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_ESCAPED_SURROGATES = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


class ObjectCheck:
    """Checks piece by piece that a text is the beginning of a JSON object."""

    def __init__(self) -> None:
        self.complete = False
        self.halves = False
        """There was an escape of half a surrogate pair. That is JSON, but most parsers refuse it."""
        self.undecided = 0
        """How many characters at the end may be half of a pair or all of it: only more text decides."""
        self._stack: list[str] = []
        self._expected = "object"
        """What may come next: object, first key, key, colon, first value, value, comma (or an end) or nothing."""
        self._in_string = False
        self._escape = ""
        self._first_half = False
        """The last escape is the first half of a pair, and nothing has come after it."""
        self._scalar = ""
        """What came of a scalar, runs of digits cut to two: further ones change nothing, and some models never stop."""

    def feed(self, text: str) -> bool:
        """False where the text cannot go on to be an object; the check is of no more use then."""
        place, end = 0, len(text)
        while place < end:
            if self._in_string:
                place = self._string(text, place)
                if place < 0:
                    return False
            elif self._structure(text[place]):
                place += 1
            else:
                return False
        return True

    def closing(self) -> str:
        """The shortest text that makes an object of what was fed."""
        if self._expected == "object":
            return "{}"
        return self._closing_value() + "".join("}" if opened == "{" else "]" for opened in reversed(self._stack))

    def _closing_value(self) -> str:
        if self._in_string:
            is_key = self._expected in ("first key", "key")
            return _closing_escape(self._escape) + ('":null' if is_key else '"')
        if self._scalar:
            return _closing_scalar(self._scalar)
        return {"key": '"":null', "colon": ":null", "value": "null"}.get(self._expected, "")

    def _string(self, text: str, place: int) -> int:
        """Where the text goes on after a part of a string; -1: it cannot."""
        if self._escape:
            return self._escaped(text, place)
        if self._first_half and text[place : place + 2] not in ("\\", "\\u"):
            self._note_escape("")
        run = _PLAIN_RUN.match(text, place)
        place = run.end() if run else place
        if place == len(text):
            return place
        if text[place] == "\\":
            self._escape = "\\"
            self.undecided += 1
        elif text[place] == '"':
            self._in_string = False
            self._after_string()
        else:
            return -1
        return place + 1

    def _escaped(self, text: str, place: int) -> int:
        escape = self._escape + text[place]
        if _ESCAPE.fullmatch(escape):
            self._escape = ""
            self.undecided = 0
            if self._first_half or len(escape) > 2:
                self._note_escape(escape[2:4].lower())
        elif _ESCAPE_START.fullmatch(escape):
            self._escape = escape
            self.undecided += 1
        else:
            return -1
        return place + 1

    def _note_escape(self, plane: str) -> None:
        """`plane`: the first two digits of an escape by number; empty for anything else."""
        second_half = "dc" <= plane <= "df"
        self.halves = self.halves or second_half != self._first_half
        self._first_half = "d8" <= plane <= "db"
        self.undecided = 6 if self._first_half else 0

    def _structure(self, char: str) -> bool:
        if self._scalar:
            if char in _SCALAR_CHARS:
                scalar = self._scalar + char
                if _THREE_DIGITS.search(scalar):
                    return True
                self._scalar = scalar
                return _may_be_scalar(scalar)
            if _closing_scalar(self._scalar):
                return False
            self._scalar = ""
            self._after_value()
        return char in " \t\n\r" or self._token(char)

    def _token(self, char: str) -> bool:
        match _TOKENS[self._expected].get(char, "scalar" if char in _SCALAR_STARTS else None):
            case "string":
                self._in_string = True
            case "colon":
                self._expected = "value"
            case "scalar" if self._expected in ("first value", "value"):
                self._scalar = char
            case "comma":
                self._expected = "key" if self._stack[-1] == "{" else "value"
            case "open":
                self._stack.append(char)
                self._expected = "first key" if char == "{" else "first value"
            case "close" if char == _CLOSES[self._stack[-1]]:
                self._stack.pop()
                self._after_value()
            case _:
                return False
        return True

    def _after_string(self) -> None:
        if self._expected in ("first key", "key"):
            self._expected = "colon"
        else:
            self._after_value()

    def _after_value(self) -> None:
        self.complete = not self._stack
        self._expected = "nothing" if self.complete else "comma"


def object_text(arguments: str) -> str:
    """The JSON object that a call's arguments stand for, as text: untouched where they are one.

    Blank and null are an empty object, a string that holds an object is that object, any other value becomes
    `{"value": ...}`. What is no JSON and cannot be repaired becomes `{"_raw_arguments": ...}`: the tool then fails
    visibly, and the model can correct itself.
    """
    text = with_whole_surrogates(sound(arguments))
    if is_object(text):
        return text
    if not text.strip():
        return "{}"
    return _object_of_value(text) or _repaired(text) or msgspec.json.encode({"_raw_arguments": text}).decode()


def raw_text(value: Raw) -> str:
    """The text of arguments, which come as a JSON string; the JSON of any other value, and nothing for null."""
    text = bytes(value).decode("utf-8", "replace")
    if not text.startswith('"'):
        return "" if text == "null" else text
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return ""


def is_object(text: str) -> bool:
    """Whether the text is a JSON object."""
    try:
        msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def holds_object(text: str) -> bool:
    """Whether there is a whole JSON object in the text, though a server may have sent it again, or something beside."""
    return is_object(text) or _repaired(text) is not None


def _object_of_value(text: str) -> str | None:
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if value is None or value == "":
        return "{}"
    if isinstance(value, str) and is_object(inner := with_whole_surrogates(value)):
        return inner
    return f'{{"value":{text.strip()}}}'


def _repaired(text: str) -> str | None:
    """What models get wrong: line breaks in strings, commas before an end, a brace too many, `{}` put before.

    And what servers do: they send the whole object again.
    """
    mended = _STRING_OR_COMMA.sub(_mended_token, text).lstrip()
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    try:
        value, end = decoder.raw_decode(mended)
        rest = mended[end:].strip()
        if value == {} and is_object(rest):
            return rest
        if isinstance(value, dict) and rest.startswith("{") and decoder.decode(rest) == value:
            rest = ""
    except (ValueError, RecursionError):
        return None
    surplus = rest.strip("}] \t\r\n")
    return mended[:end] if isinstance(value, dict) and not surplus and is_object(mended[:end]) else None


def _mended_token(token: re.Match[str]) -> str:
    string = token["string"]
    return _CONTROL.sub(lambda control: f"\\u{ord(control[0]):04x}", string) if string else ""


def with_whole_surrogates(text: str) -> str:
    """A JSON text without escapes of lone surrogates: they are JSON, but most parsers refuse them."""
    if "\\u" not in text:
        return text
    return _ESCAPED_SURROGATES.sub(lambda escape: "\\ufffd" if escape["lone"] else escape[0], text)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _closing_escape(escape: str) -> str:
    if escape == "\\":
        return "\\"
    return "0" * (6 - len(escape)) if escape else ""


def _closing_scalar(scalar: str) -> str:
    for literal in _LITERALS:
        if literal.startswith(scalar):
            return literal[len(scalar) :]
    return "" if _NUMBER.fullmatch(scalar) else "0"


def _may_be_scalar(scalar: str) -> bool:
    return _NUMBER_START.fullmatch(scalar) is not None or any(literal.startswith(scalar) for literal in _LITERALS)
