"""Cuts an answer that is JSON into its objects: those of an array, or the one that it is.

Works on bytes and looks at nothing but brackets and strings; whether an object is sound JSON shows when it is decoded.
"""

from __future__ import annotations

import re

from llm_to_anthropic.errors import UpstreamProtocolError

MAX_OBJECT_BYTES = 64 * 1024 * 1024

_OUTSIDE = re.compile(rb'["{}]')
_INSIDE = re.compile(rb'["\\]')


class JsonObjects:
    """Incremental: however an answer is cut, the same objects come out."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._kept: list[bytes] = []
        """The beginning of an object whose end has not come."""
        self._kept_bytes = 0

    @property
    def open(self) -> bool:
        """An object has begun and not ended."""
        return self._depth > 0

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that are complete now. Raises UpstreamProtocolError for one over 64 MiB."""
        objects: list[bytes] = []
        start, place = 0, 1 if self._escaped and data else 0
        self._escaped = self._escaped and not data
        while found := (_INSIDE if self._in_string else _OUTSIDE).search(data, place):
            place = found.end()
            match found[0]:
                case b'"':
                    self._in_string = not self._in_string
                case b"\\":
                    self._escaped = place == len(data)
                    place += 1
                case b"{":
                    start = start if self._depth else found.start()
                    self._depth += 1
                case b"}" if self._depth:
                    self._depth -= 1
                    if not self._depth:
                        objects.append(self._take(data[start:place]))
        if self._depth:
            self._keep(data[start:])
        return objects

    def _take(self, end: bytes) -> bytes:
        self._kept.append(end)
        whole = b"".join(self._kept)
        self._kept.clear()
        self._kept_bytes = 0
        return whole

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        self._kept_bytes += len(data)
        if self._kept_bytes > MAX_OBJECT_BYTES:
            raise UpstreamProtocolError(f"the upstream sent an object larger than {MAX_OBJECT_BYTES >> 20} MiB")
