"""Server-sent events: slices of an answer in, the data of complete events out.

Works on bytes, since a slice may end inside a character, and knows nothing of what the data means.
Event names, ids and comments are skipped: no upstream says in them what its data does not say too.
Source: html.spec.whatwg.org, Server-sent events, 9.2.6.
"""

from __future__ import annotations

from llm_to_anthropic.errors import UpstreamProtocolError

MAX_EVENT_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class SseDecoder:
    """Incremental: however an answer is cut, the same events come out."""

    __slots__ = ("_after_cr", "_kept", "_kept_bytes", "blank")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        """The beginning of an event whose end has not come."""
        self._kept_bytes = 0
        self._after_cr = False
        self.blank = b"\n\n"
        """What ends the events, as far as it was seen."""

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that is complete now. Raises UpstreamProtocolError for one over 8 MiB."""
        kept = self._kept
        cr = data.find(b"\r")
        if cr >= 0 or self._after_cr:
            self.blank = b"\r\n\r\n"
            if not kept and not self._after_cr and _is_one_event(data, cr):
                return [data[6:cr]]
            data = self._with_plain_line_ends(data)
        elif not kept and data[-2:] == b"\n\n" and (event := _single_event(data)):
            # One plain event in one read: the usual case, at a fraction of the cost.
            return [event]
        if kept:
            if b"\n\n" not in data and not (data[:1] == b"\n" and kept[-1][-1:] == b"\n"):
                self._keep(data)
                return []
            kept.append(data)
            data = b"".join(kept)
            kept.clear()
            self._kept_bytes = 0
        end = data.rfind(b"\n\n")
        if end < 0:
            self._keep(data)
            return []
        if end + 2 < len(data):
            self._keep(data[end + 2 :])
        return _events(data[:end])

    def hand_over(self) -> bytes | None:
        """What has come of an event that is not complete, for another to go on with; None inside a line end."""
        if self._after_cr:
            return None
        rest = b"".join(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        return rest

    def close(self) -> list[bytes]:
        """The answer is at its end: an event without its blank line counts too."""
        rest = b"".join(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        return _events(rest)

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._kept.append(data)
        self._kept_bytes += len(data)
        if self._kept_bytes > MAX_EVENT_BYTES:
            raise UpstreamProtocolError(
                f"the upstream sent an event larger than {MAX_EVENT_BYTES >> 20} MiB, which no model needs"
            )

    def _with_plain_line_ends(self, data: bytes) -> bytes:
        # A CR at the end of a slice is a line end already; an LF that opens the next one then belongs to it.
        if not data:
            return data
        split_pair = self._after_cr and data[:1] == b"\n"
        self._after_cr = data.endswith(b"\r")
        if split_pair:
            data = data[1:]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _is_one_event(data: bytes, cr: int) -> bool:
    """As the usual case of plain line ends, with the CRLF that Google sends. `cr`: where the first CR stands."""
    return cr == len(data) - 4 > 6 and data[:6] == b"data: " and data[cr:] == b"\r\n\r\n" and data.find(b"\n") > cr


def _single_event(data: bytes) -> bytes:
    """The data of one event of one line of data, which may have a name before it; of anything else nothing."""
    if data[:6] == b"data: ":
        return data[6:-2] if data.find(b"\n") == len(data) - 2 else b""
    return _named_data(data[:-2])


def _events(data: bytes) -> list[bytes]:
    events = []
    for event in data.split(b"\n\n"):
        plain = event[:6] == b"data: " and event.find(b"\n") < 0
        found = event[6:] if plain else _named_data(event) or _data_of(event)
        if found:
            events.append(found)
    return events


def _named_data(event: bytes) -> bytes:
    """The data of an event of a name and one line of data, as OpenAI's Responses API sends; of others nothing."""
    start = event.find(b"\n") + 7
    if event[:7] != b"event: " or event[start - 6 : start] != b"data: " or event.find(b"\n", start) >= 0:
        return b""
    return event[start:]


def _data_of(event: bytes) -> bytes:
    lines = []
    for line in event.split(b"\n"):
        # It may stand at the beginning alone; looked for in each line, it is found wherever the stream was cut.
        field, _, value = line.removeprefix(_BOM).partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    # Google writes an error into a stream that has begun as it writes any other: as JSON, without a field.
    return b"\n".join(lines) if lines or event[:1] not in (b"{", b"[") or b'"error"' not in event else event
