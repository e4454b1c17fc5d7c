"""Reads a client's request: bytes to Structs, with errors in Anthropic's paths and people's words.

Knows Anthropic's API alone; what an upstream can take is the translators' concern.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import get_args

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.wire.anthropic import Block, InputMessage, KnownBlock, MessagesRequest, OtherBlock, TextBlock

ROLES = frozenset({"user", "assistant", "system"})
MAX_INTEGER = 2**53 - 1
"""Numbers above are not the same number to every reader of JSON."""
MAX_MESSAGES = 100_000
"""As at Anthropic."""

_REQUEST = msgspec.json.Decoder(MessagesRequest)
_MESSAGE = msgspec.json.Decoder(InputMessage)
_BLOCK: msgspec.json.Decoder[KnownBlock] = msgspec.json.Decoder(KnownBlock)

_TAGS = frozenset(struct.__struct_config__.tag for struct in get_args(KnownBlock))

# Everything but escapes, whole surrogate pairs, and escapes that are no surrogate: where a full match ends
# early stands half a pair. Possessive, hence linear.
_TEXT = rb"(?:[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u%b|\\[^u])*+"
_SOUND = re.compile(_TEXT % rb"(?![dD][89a-fA-F])")
# In a part of a body an escape that is cut at the part's end is left to the next.
_SOUND_SLICE = re.compile(_TEXT % rb"(?=[^dD]|[dD][^89a-fA-F])")
_BACKSLASH = ord("\\")
_SLICE = 256 * 1024
_LONGEST_ESCAPE = 12
_PLACE = re.compile(r"^(?P<text>.*?)(?: - at `(?:\$|key in \$)(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_EXPECTED = re.compile(r"Expected `(?P<types>[^`]*)`")
_BYTE = re.compile(r"^(?:JSON is malformed: )?(?P<what>.*?)(?: \(byte (?P<byte>\d+)\))?$", re.DOTALL)
_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "array": "list",
}


class _Typed(msgspec.Struct):
    type: str


_TYPED = msgspec.json.Decoder(_Typed)


def decode_request(body: bytes, *, counting: bool = False) -> MessagesRequest:
    """The request as Structs, its messages checked but still raw (see `decode_messages`).

    `counting`: count_tokens, which has no `max_tokens`. Raises ClientError (400).
    """
    request = decode_fields(body, counting=counting)
    decode_messages(request)
    return request


def decode_fields(body: bytes, *, counting: bool = False) -> MessagesRequest:
    """As `decode_request`, with the messages not looked into."""
    check_text(body)
    try:
        request = _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        raise ClientError(describe(error)) from error
    except msgspec.DecodeError as error:
        raise ClientError(_describe_json(error, body)) from error
    except RecursionError as error:
        raise ClientError("The request body is nested too deeply.") from error
    if not request.messages:
        raise ClientError("messages: at least one message is required")
    if len(request.messages) > MAX_MESSAGES:
        raise ClientError(f"messages: at most {MAX_MESSAGES} messages are allowed")
    if counting:
        request.max_tokens = None  # some clients send it all the same: nothing is written for a count
    elif request.max_tokens is None:
        raise ClientError("max_tokens: Field required")
    _check_numbers(request)
    return request


@contextmanager
def bounded_depth() -> Iterator[None]:
    """Raises ClientError (400) where something inside turns out to be nested too deeply."""
    try:
        yield
    except RecursionError as error:
        raise ClientError("The request holds a part that is nested too deeply.") from error


def decode_messages(request: MessagesRequest) -> list[InputMessage]:
    """The messages, their blocks still raw. Raises ClientError (400).

    Of system messages that were for one turn, which is over, nothing is left: that is how Anthropic reads them.
    """
    messages = [decode_message(raw, index) for index, raw in enumerate(request.messages)]
    spoken = over = False
    for message in reversed(messages):
        spoken = spoken or message.role == "user"
        # Between two messages of the user no model has read it yet.
        over = over or (spoken and message.role == "assistant")
        if over and is_for_one_turn(message):
            message.content = None
    return messages


def is_for_one_turn(message: InputMessage) -> bool:
    """Whether a system message counts only until the user speaks again, be it by the result of a tool."""
    return message.clear_at == "next_user_message" and message.role == "system"


def decode_message(raw: Raw, index: int) -> InputMessage:
    """The message at a position. Raises ClientError (400)."""
    try:
        message = _MESSAGE.decode(raw)
    except msgspec.ValidationError as error:
        raise ClientError(describe(error, f"messages[{index}]")) from error
    if message.role not in ROLES:
        raise ClientError(
            f"messages.{index}.role: Input should be 'user', 'assistant' or 'system', got '{message.role}'"
        )
    if message.content is None and message.role != "system":
        raise ClientError(f"messages.{index}.content: Field required")
    return message


def decode_blocks(content: str | list[Raw] | None, path: str) -> list[Block]:
    """The blocks of a `content` that stands at `path` (written `messages[0].content`).

    A string is one text block; a type without a Struct becomes OtherBlock. Raises ClientError (400).
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [TextBlock(content)]
    return [_decode_block(raw, path, index) for index, raw in enumerate(content)]


def block_type(block: Block) -> str:
    """The `type` that a block travels with."""
    return block.type if isinstance(block, OtherBlock) else str(block.__struct_config__.tag)


def check_text(body: bytes) -> None:
    """Raises ClientError unless all text is Unicode: UTF-8 throughout, and no half surrogate pair.

    msgspec checks this only for what it decodes, not for raw parts, which travel on as they came.
    """
    check_utf8(body)
    # One byte is found several times as fast as two, and by its number without an exception raised and caught within.
    if _BACKSLASH not in body or (len(body) <= _SLICE and b"\\u" not in body):
        return
    if not _holds_surrogates(body):
        return
    end = _end_of_sound(body)
    if end < len(body):
        shown = body[end : end + 6].decode("ascii", "replace")
        raise ClientError(f"The request body holds half of a surrogate pair ({shown}, byte {end}): it is no character.")


def _holds_surrogates(body: bytes) -> bool:
    """Whether halves of surrogate pairs may be written as escapes. In slices, as `_end_of_sound`."""
    for start in range(0, len(body), _SLICE):
        end = start + _SLICE + 2
        place = body.find(b"\\u", start, end)
        if place >= 0 and (body.find(b"\\ud", place, end) >= 0 or body.find(b"\\uD", place, end) >= 0):
            return True
    return False


def _end_of_sound(body: bytes) -> int:
    """Where the first half of a pair stands, or the end. In slices, so that other threads get their turns."""
    start = 0
    while len(body) - start > _SLICE:
        match = _SOUND_SLICE.match(body, start, start + _SLICE)
        end = match.end() if match else start
        if start + _SLICE - end > _LONGEST_ESCAPE:
            return end
        start = end
    match = _SOUND.match(body, start)
    return match.end() if match else start


def check_utf8(body: bytes) -> None:
    """Raises ClientError unless the body is UTF-8 throughout."""
    if body.isascii():
        return
    try:
        if len(body) <= _SLICE or not _is_utf8(body):
            body.decode()
    except UnicodeDecodeError as error:
        raise ClientError(f"The request body is not valid UTF-8 (byte {error.start}).") from error


def _is_utf8(body: bytes) -> bool:
    """Whether a large body is UTF-8. In slices, as `_end_of_sound`."""
    decode = getincrementaldecoder("utf-8")().decode
    with suppress(UnicodeDecodeError):
        for start in range(0, len(body), _SLICE):
            decode(body[start : start + _SLICE], start + _SLICE >= len(body))
        return True
    return False


def dotted(path: str) -> str:
    """`messages[0].content` as Anthropic's errors write it: `messages.0.content`."""
    return path.replace("[", ".").replace("]", "").lstrip(".")


def describe(error: msgspec.ValidationError, path: str = "") -> str:
    """A wrong type or a missing field in Anthropic's words; `path` is where the decoded part stands."""
    match = _PLACE.match(str(error))
    text, place = (match["text"], match["path"] or "") if match else (str(error), "")
    where = dotted(path + place)
    if missing := _MISSING.search(text):
        return f"{where}.{missing['field']}: Field required".lstrip(".")
    if expected := _EXPECTED.search(text):
        text = f"Input should be a valid {_type_names(expected['types'])}"
    elif text.startswith("Invalid value"):
        text = text.replace("Invalid value", "Unknown value")
    return f"{where}: {text}" if where else f"The request body: {text}"


def _type_names(types: str) -> str:
    names = [_TYPES.get(name, name) for name in types.split(" | ") if name != "null"]
    return " or ".join(names)


def _describe_json(error: msgspec.DecodeError, body: bytes) -> str:
    if not body.strip():
        return "The request body is empty: a JSON object is expected."
    match = _BYTE.match(str(error))
    what, byte = (match["what"], match["byte"]) if match else (str(error), None)
    if byte is None:
        return f"The request body is not valid JSON: it ends too early, after {len(body)} bytes."
    return f"The request body is not valid JSON: {what} (byte {byte})."


def _decode_block(raw: Raw, path: str, index: int) -> Block:
    try:
        return _BLOCK.decode(raw)
    except msgspec.ValidationError as error:
        place = f"{path}[{index}]"
        try:
            tag = _TYPED.decode(raw).type
        except msgspec.ValidationError as untyped:
            raise ClientError(describe(untyped, place)) from untyped
        if tag in _TAGS:
            raise ClientError(describe(error, place)) from error
        return OtherBlock(tag, raw)
    except RecursionError as error:
        raise ClientError(f"{dotted(path)}.{index}: nested too deeply") from error


def _check_numbers(request: MessagesRequest) -> None:
    ranges: tuple[tuple[str, float | None, float], ...] = (
        ("max_tokens", request.max_tokens, MAX_INTEGER),
        ("top_k", request.top_k, MAX_INTEGER),
        ("temperature", request.temperature, 1),
        ("top_p", request.top_p, 1),
    )
    for name, value, highest in ranges:
        if value is not None and value < 0:
            raise ClientError(f"{name}: Input should be greater than or equal to 0")
        if value is not None and value > highest:
            raise ClientError(f"{name}: Input should be less than or equal to {highest}")
