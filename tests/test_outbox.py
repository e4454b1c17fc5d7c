"""Writes that leave together at the end of a turn of the event loop."""

from __future__ import annotations

import asyncio

from llm_to_anthropic.outbox import ALONE, Outbox


class Wire(asyncio.Transport):
    """Notes what is written, and to which of several."""

    def __init__(self, name: str, written: list[tuple[str, bytes]]) -> None:
        super().__init__()
        self.closing = False
        self._name = name
        self._written = written

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._written.append((self._name, bytes(data)))

    def is_closing(self) -> bool:
        return self.closing


async def test_writes_of_one_turn_leave_at_its_end_in_their_order() -> None:
    """What is written while others write too leaves after them all, in order, within the same turn of the loop."""
    written: list[tuple[str, bytes]] = []
    one, other = Wire("one", written), Wire("other", written)
    outbox = Outbox()
    for data in (b"1", b"2"):
        outbox.write(one, data)
        outbox.write(other, data)
    assert written == []
    await asyncio.sleep(0)
    assert written == [("one", b"1"), ("other", b"1"), ("one", b"2"), ("other", b"2")]


async def test_write_that_comes_alone_does_not_wait() -> None:
    """Once a write had no company the next ones go out at once, until it is tried again."""
    written: list[tuple[str, bytes]] = []
    wire, outbox = Wire("wire", written), Outbox()
    outbox.write(wire, b"first")
    await asyncio.sleep(0)
    for number in range(ALONE):
        outbox.write(wire, b"%d" % number)
        assert len(written) == number + 2
    outbox.write(wire, b"last")
    assert len(written) == ALONE + 1
    await asyncio.sleep(0)
    assert written[-1] == ("wire", b"last")


async def test_transport_that_closes_meanwhile_costs_the_others_nothing() -> None:
    """A connection that is closed before its turn is over gets nothing any more; the others get what is theirs."""
    written: list[tuple[str, bytes]] = []
    gone, other = Wire("gone", written), Wire("other", written)
    outbox = Outbox()
    outbox.write(gone, b"1")
    outbox.write(other, b"2")
    gone.closing = True
    outbox.flush()
    await asyncio.sleep(0)
    assert written == [("other", b"2")]
