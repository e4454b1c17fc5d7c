"""Bounded inflating of answers that come compressed although identity was asked for."""

from __future__ import annotations

import zlib

from llm_to_anthropic.errors import UpstreamProtocolError

_WINDOW_BITS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_RAW_DEFLATE = -15
_MAX_SLICE = 256 * 1024
_FREE_BYTES = 16 * 1024 * 1024
_MAX_RATIO = 100


class ContentDecoder:
    """Inflates gzip or deflate, never more than 256 KiB at a time.

    Output beyond 16 MiB may be at most 100 times its input: what inflates further is a bomb.
    Every method raises UpstreamProtocolError.
    """

    __slots__ = ("_coding", "_inflater", "_total_in", "_total_out", "_waiting")

    def __init__(self, coding: bytes) -> None:
        self._coding = coding.strip().lower()
        bits = _WINDOW_BITS.get(self._coding)
        if bits is None:
            shown = self._coding.decode("latin-1")
            raise UpstreamProtocolError(
                f"The upstream answered with content-encoding {shown!r}, which was not asked for."
            )
        self._inflater = zlib.decompressobj(bits)
        self._waiting = b""
        self._total_in = 0
        self._total_out = 0

    def feed(self, data: bytes) -> None:
        """Takes compressed bytes; `take` gives what they hold."""
        if not self._total_in and self._coding == b"deflate" and data[0] & 0x0F != zlib.DEFLATED:
            # Some servers send bare deflate where the standard wants zlib's frame around it.
            self._inflater = zlib.decompressobj(_RAW_DEFLATE)
        self._total_in += len(data)
        self._waiting += data

    def take(self) -> bytes:
        """The next inflated slice; empty once more input is needed."""
        while self._waiting:
            if self._inflater.eof:
                self._next_member()
            data = self._inflate()
            if data:
                return data
        return b""

    def close(self) -> None:
        """Checks that the compressed body came to its end."""
        if self._total_in and not self._inflater.eof:
            raise UpstreamProtocolError("The upstream's compressed answer stopped midway.")

    def _inflate(self) -> bytes:
        try:
            data = self._inflater.decompress(self._waiting, _MAX_SLICE)
        except zlib.error as error:
            raise UpstreamProtocolError("The upstream's compressed answer is damaged.") from error
        self._waiting = self._inflater.unconsumed_tail or self._inflater.unused_data
        self._total_out += len(data)
        if self._total_out > max(_FREE_BYTES, _MAX_RATIO * self._total_in):
            raise UpstreamProtocolError("The upstream's compressed answer inflates beyond all measure.")
        return data

    def _next_member(self) -> None:
        # gzip bodies may be several members in a row (RFC 1952, section 2.2).
        if self._coding == b"deflate":
            raise UpstreamProtocolError("The upstream's compressed answer goes on after its end.")
        self._inflater = zlib.decompressobj(_WINDOW_BITS[self._coding])
