"""Text events of a stream, read without decoding them.

In most streams the events that carry text are the same to the byte but for the text itself. What stands around it, its
frame, is learned from one such event; the JSON string in the next ones is passed on as it came. While nothing else
comes, whole reads are: their frames are replaced by the client's, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from llm_to_anthropic.writer import sound

MAX_VAIN = 4
"""Frames are not learned for ever in streams whose events have none: each costs as much as a decoding."""
LONG = 4096
"""From here on it pays to look at the last event of a read before all are taken apart."""
_PROBE = "?"
LINE_BREAK = ord("\n")
"""Looked for as a number, which is several times faster than as bytes."""
_FIELD, PLAIN_BLANK = b"data: ", b"\n\n"
"""What nearly every upstream puts around its events. Others' are taken out one by one."""
_STRING = msgspec.json.Decoder(str)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


class TextFrames:
    """The frame of one stream's text events."""

    __slots__ = ("_flow", "_lesson", "_prefix", "_read", "_suffix", "_vain", "_vain_flows", "size")

    def __init__(self, read: Callable[[bytes], str | None]) -> None:
        """`read` gives the text of an event that is nothing but text, and None of any other."""
        self.size = 0
        """Bytes of the text that was found last, as UTF-8."""
        self._read = read
        self._prefix = b""
        """What stands before the text, up to its first quotation mark."""
        self._suffix = b""
        """What stands behind it, from its last quotation mark on."""
        self._lesson = b""
        """An event to learn from."""
        self._vain = 0
        """Events looked at since a frame was met."""
        self._flow: TextFlow | None = None
        self._vain_flows = 0
        """Flows in a row that took nothing."""

    def text(self, event: bytes) -> bytes | None:
        """The text as the JSON string that came; None: decode the event."""
        prefix, suffix = self._prefix, self._suffix
        if not (prefix and event.startswith(prefix) and event.endswith(suffix)):
            lesson, self._lesson = self._lesson, b""
            return self.text(event) if lesson and self._learn(lesson) else None
        text = event[len(prefix) - 1 : 1 - len(suffix)]
        self.size = text_size(text)
        if self.size < 1:
            return None
        self._vain = 0
        return text

    def flow(self, head: bytes, tail: bytes, blank: bytes = PLAIN_BLANK) -> TextFlow | None:
        """What takes whole reads from here on; None in streams that are not framed as nearly all are.

        `head` and `tail` stand before and behind the text in an event for the client, `blank` behind the upstream's.
        """
        if self._flow is not None:
            self._vain_flows = 0 if self._flow.size else self._vain_flows + 1
        if self._vain_flows >= MAX_VAIN:
            return None
        self._flow = TextFlow(_FIELD + self._prefix, self._suffix + blank, head, tail)
        return self._flow

    def learn(self, event: bytes) -> None:
        """Looks for a frame in an event that had none, once another comes: the first of a stream is waited for."""
        if self._vain < MAX_VAIN:
            self._lesson = event

    def _learn(self, event: bytes) -> bool:
        text = self._read(event)
        self._vain += 1
        if not text:
            return False
        # Where the upstream escapes in another way, another text will do.
        prefix, found, suffix = event.partition(msgspec.json.encode(sound(text)))
        # The same text may stand elsewhere too: only a frame that lets another text be read in its place is one.
        if found and text != _PROBE and self._read(b'%b"%b"%b' % (prefix, _PROBE.encode(), suffix)) == _PROBE:
            self._prefix, self._suffix = prefix + b'"', b'"' + suffix
            return True
        return False


class TextFlow:
    """Reads of nothing but text events, made the client's events without taking them apart."""

    __slots__ = ("_begins", "_behind", "_ends", "_head", "_prefix", "_suffix", "_tail", "rest", "size")

    def __init__(self, prefix: bytes, suffix: bytes, head: bytes, tail: bytes) -> None:
        self.rest = b""
        """The beginning of an event whose end has not come."""
        self.size = 0
        """Bytes of text so far, as UTF-8."""
        self._prefix = prefix
        self._suffix = suffix
        self._begins, self._ends = len(prefix) - 1, 1 - len(suffix)
        self._behind = 3 if suffix.endswith(b"\r\n") else 2
        """How far an event goes on from the first line break at its end."""
        self._head = head
        self._tail = tail

    def pass_on(self, data: bytes) -> bytes:
        """The client's events; nothing where there is more in `rest` and `data` than text: both are to be decoded."""
        if self.rest:
            data = self.rest + data
        text = data[self._begins : self._ends]
        if LINE_BREAK in text or not (data.startswith(self._prefix) and data.endswith(self._suffix)):
            return self._pass_on_many(data)
        try:
            said = _STRING.decode(text)  # as `text_size`, without a call for each event
        except _UNREADABLE:
            return b""
        if not said:
            return b""
        self.size += len(said) if said.isascii() else len(said.encode())
        self.rest = b""
        return self._head + text + self._tail

    def lead(self, data: bytes) -> tuple[bytes, bytes]:
        """The client's events for the text that stands first, and what of `rest` and `data` is to be decoded.

        Where all was text, what had come of another event is in `rest` as after `pass_on`.
        """
        data, self.rest = self.rest + data, b""
        texts, left = self._split(data)
        out = self._told(texts) if texts else b""
        if not out:
            return b"", data
        if self._holds_event(left):
            return out, left
        self.rest = left
        return out, b""

    def _pass_on_many(self, data: bytes) -> bytes:
        if len(data) > LONG and not self._ends_with_text(data):
            return b""
        texts, left = self._split(data)
        if not texts or (left and self._holds_event(left)) or not (out := self._told(texts)):
            return b""
        self.rest = left
        return out

    def _ends_with_text(self, data: bytes) -> bool:
        """Whether the last event that is complete begins as one that flows."""
        blank = self._suffix[-2:] if self._behind == 2 else self._suffix[-4:]
        end = data.rfind(blank)
        before = data.rfind(blank, 0, end)
        return end >= 0 and data.startswith(self._prefix, before + len(blank) if before >= 0 else 0)

    def _holds_event(self, data: bytes) -> bool:
        """Whether there may be a whole event in what follows, which may be framed in any way."""
        lines = self._prefix.count(b"\n") + 1
        return len(data.split(b"\n", lines)) > lines

    def _split(self, data: bytes) -> tuple[list[bytes], bytes]:
        """What stands between quotation marks in each event, up to the first that is no text, and all that follows."""
        opens, closes = self._prefix, self._suffix
        begins, behind = len(opens), self._behind
        ends = behind - len(closes)
        texts: list[bytes] = []
        at = 0
        # Looked for by one byte, which is many times faster than by more.
        while (end := data.find(b"\n", at)) >= 0:
            texts.append(data[at + begins : end + ends])
            at = end + behind
        if b"" in texts:
            del texts[texts.index(b"") :]
        # Cut by their lengths, they are texts only where all that stands around them is as it should be.
        whole = b"%b%b%b" % (opens, (closes + opens).join(texts), closes)
        if texts and data.startswith(whole):
            return texts, data[len(whole) :]
        return _framed(texts, data, opens, closes)

    def _told(self, texts: list[bytes]) -> bytes:
        """Counts the texts and makes them the client's events; nothing where one is no text."""
        # A blank, so that no character is made of the halves of two.
        size = text_size(b'"%b"' % b" ".join(texts)) - len(texts) + 1
        if size < len(texts):
            return b""
        self.size += size
        return self._events(texts)

    def _events(self, texts: list[bytes]) -> bytes:
        """One event for the client for each text."""
        return b'%b"%b"%b' % (self._head, (b'"%b%b"' % (self._tail, self._head)).join(texts), self._tail)


def _framed(texts: list[bytes], data: bytes, opens: bytes, closes: bytes) -> tuple[list[bytes], bytes]:
    """The leading events that have the frame, and what follows them."""
    at = 0
    for count, text in enumerate(texts):
        end = at + len(opens) + len(text)
        if not (data.startswith(opens, at) and data.startswith(closes, end)):
            return texts[:count], data[at:]
        at = end + len(closes)
    return texts, data[at:]


def text_size(text: bytes) -> int:
    """The size of a text, given as a JSON string, in bytes of UTF-8; -1 for what is none, or cannot stay as it is."""
    try:
        # Far faster than any look of our own at its characters, and as strict as the client's reader may be.
        said = _STRING.decode(text)
    except _UNREADABLE:
        return -1
    return len(said) if said.isascii() else len(said.encode())
