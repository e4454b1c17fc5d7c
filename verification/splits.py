"""Recorded streams of real servers, cut everywhere: python -m verification.splits [--random N].

An event stream may be read in any slices and written with any of three line ends: what comes out must be the same.
Framing is tried at every single place (with the events around it, which is all that it remembers); then whole streams
are cut at so many random places in all, and go through the translator of their protocol. The exit code is 1 where
something differed. Without recordings beside the checkout there is nothing to do.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import msgspec

from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.sse import SseDecoder
from tests.translators.recordings import TRAFFIC, answer
from verification.fuzz.translating import QUESTION, SPOKEN, translator

RANDOM_SPLITS = 1_000_000
LINE_ENDS = (b"\n", b"\r", b"\r\n")
_WINDOW_BYTES = 4096
_PIECE_BYTES = 8
"""What a piece has on average where a stream is cut at random."""
_BODY = msgspec.json.encode(QUESTION | {"stream": True})


class Stream(msgspec.Struct, frozen=True):
    """One recorded answer, its lines ended by LF."""

    protocol: Protocol
    name: str
    data: bytes


def streams() -> list[Stream]:
    """All recorded event streams; none where there are no recordings."""
    return [
        Stream(protocol, path.stem, answer(path).replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
        for protocol in get_args(Protocol)
        for path in sorted((TRAFFIC / protocol).glob("*.json"))
        if _is_stream(path)
    ]


def is_translated(stream: Stream) -> bool:
    """Whether its protocol is another than the client's."""
    return stream.protocol in SPOKEN


def framed_at_every_place(stream: Stream) -> tuple[int, list[str]]:
    """How many splits were tried, and where other events came out."""
    tried, wrong = 0, list[str]()
    for window in _windows(stream.data):
        expected = _events((window,))
        for end in LINE_ENDS:
            data = window.replace(b"\n", end)
            wrong += [
                f"{stream.name}: {end!r}, byte {place} of {data[:60]!r}"
                for place in range(len(data) + 1)
                if _events((data[:place], data[place:])) != expected
            ]
            tried += len(data) + 1
    return tried, wrong


def translated_in_pieces(stream: Stream, chance: random.Random) -> tuple[int, list[str]]:
    """As `framed_at_every_place`, of the whole stream through its translator, at random places."""
    tried, wrong = 0, []
    for end in LINE_ENDS:
        data = stream.data.replace(b"\n", end)
        cuts = sorted(chance.sample(range(1, len(data)), len(data) // _PIECE_BYTES))
        pieces = [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        if _translated(stream.protocol, pieces) != _translated(stream.protocol, [data]):
            wrong.append(f"{stream.name}: {end!r}, cut at {cuts[:20]}...")
        tried += len(cuts)
    return tried, wrong


def main() -> int:
    """Tries everything, and tells what differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=RANDOM_SPLITS, help="splits of whole streams, in all")
    given = parser.parse_args()
    found = streams()
    if not found:
        sys.stdout.write("skipped: no recordings are beside this checkout\n")
        return 0
    began = time.monotonic()
    wrong = _everywhere(found) + _at_random(found, given.random)
    sys.stdout.write("".join(f"DIFFERENT {each}\n" for each in wrong[:20]))
    sys.stdout.write(f"{len(found)} streams, {len(wrong)} differences, {time.monotonic() - began:.0f} s\n")
    return int(bool(wrong))


def _everywhere(found: Sequence[Stream]) -> list[str]:
    results = [framed_at_every_place(stream) for stream in found]
    sys.stdout.write(f"framing: {sum(tried for tried, _ in results)} splits, one at a time\n")
    return [each for _, wrong in results for each in wrong]


def _at_random(found: Sequence[Stream], most: int) -> list[str]:
    tried, wrong, chance = 0, list[str](), random.Random(0)  # noqa: S311  the same splits each time
    while tried < most:
        for stream in filter(is_translated, found):
            more, different = translated_in_pieces(stream, chance)
            tried += more
            wrong += different
    sys.stdout.write(f"translators: {tried} random splits\n")
    return wrong


def _windows(data: bytes) -> Iterator[bytes]:
    """A stream in runs of whole events, each as short as it can be beyond a few KiB."""
    start = 0
    while start < len(data):
        end = data.find(b"\n\n", start + _WINDOW_BYTES)
        stop = len(data) if end < 0 else end + 2
        yield data[start:stop]
        start = stop


def _events(pieces: Sequence[bytes]) -> list[bytes]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def _translated(protocol: Protocol, pieces: Sequence[bytes]) -> tuple[bytes, bool, str]:
    made = translator(protocol, _BODY, stream=True)
    out = b"".join([made.receive_data(piece) for piece in pieces]) + made.receive_eof()
    failure = made.failure
    return out, made.ended, failure.message if isinstance(failure, ApiError) else ""


def _is_stream(path: Path) -> bool:
    response = msgspec.json.decode(path.read_bytes())["response"]
    return len(response.get("sse") or "") > 1


if __name__ == "__main__":
    sys.exit(main())
