"""How hard pressed a process is, by gauges that the test sets; and what the real ones read."""

from __future__ import annotations

import asyncio
import mmap
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from llm_to_anthropic.gateway import memory_gauge
from llm_to_anthropic.gateway.pressure import COPIES, SAMPLE_S, Load, Pressure

LIMIT = 1000


class Gauges:
    """A pressure whose memory and time are the test's."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.used = 0
        self.given_back = 0
        self.changes: list[Load] = []
        self.now = 100.0
        self.pressure = Pressure(
            limit, used_bytes=lambda _limit: self.used, give_back=self._give_back, on_change=self.changes.append
        )

    def sample(self, used: int = 0, *, late_s: float = 0.0) -> Load:
        self.used = used
        self.now += SAMPLE_S + late_s
        self.pressure.sample(self.now, late_s)
        return self.pressure.load

    def fill(self) -> int:
        """Two bodies come, after which there is room for no third; the size of each."""
        self.sample(120)
        body = 800 // COPIES // 2
        assert [self.pressure.pledge(body) for _ in range(3)] == [True, True, False]
        return body

    def _give_back(self) -> None:
        self.given_back += 1


def test_memory_presses_by_degrees() -> None:
    """From 85 % streams are not begun, from 92 % nothing is let in; a little relief does not turn it at once."""
    gauges = Gauges()
    steps = [(840, "ok"), (850, "pressed"), (919, "pressed"), (920, "full"), (900, "full"), (889, "pressed")]
    steps += [(830, "pressed"), (819, "ok")]
    assert [gauges.sample(used) for used, _ in steps] == [load for _, load in steps]
    assert gauges.changes == ["pressed", "full", "pressed", "ok"]


def test_a_late_loop_is_given_two_seconds() -> None:
    """Half a second of delay for two seconds closes the doors; one delay does not; one punctual sample opens them."""
    gauges = Gauges()
    assert gauges.sample(late_s=0.6) == "ok"
    assert gauges.sample(late_s=0.6) == "ok"
    assert gauges.sample(late_s=0.6) == "late"
    assert gauges.sample(late_s=0.4) == "ok"
    assert gauges.sample(late_s=1.5) == "ok"
    assert gauges.sample() == "ok"


def test_without_a_limit_memory_is_nobodys_concern() -> None:
    """On a machine of one's own nothing is refused for memory."""
    gauges = Gauges(limit=0)
    assert gauges.sample(10**12) == "ok"
    assert gauges.pressure.pledge(10**12)


def test_unused_memory_is_given_back_before_anyone_is_refused() -> None:
    """Memory that is only kept, not used, is no reason to refuse; it is looked for once per second."""
    gauges = Gauges()
    gauges.sample(930)
    gauges.sample(930)
    assert gauges.given_back == 1
    for _ in range(4):
        gauges.sample(930)
    assert gauges.given_back == 2


def test_unused_memory_is_given_back_for_a_body_that_found_too_little() -> None:
    """Memory that is only kept must not have large bodies refused for ever, though it presses nobody else."""
    gauges = Gauges()
    gauges.sample(600)
    assert gauges.given_back == 0
    assert not gauges.pressure.pledge(LIMIT // COPIES)
    gauges.sample(600)
    gauges.sample(600)
    assert gauges.given_back == 1


def test_bodies_on_their_way_count() -> None:
    """Between two samples no more bodies are taken than there is memory for; measured, they count no longer."""
    gauges = Gauges()
    body = gauges.fill()
    gauges.pressure.redeem(body)
    assert not gauges.pressure.pledge(body)
    gauges.sample(120)
    assert gauges.pressure.pledge(body)


def test_what_is_let_go_of_makes_room_at_once() -> None:
    """An answer that is refused midway makes room for the others that came with it, or all would be refused."""
    gauges = Gauges()
    body = gauges.fill()
    gauges.pressure.forgo(body)
    assert gauges.pressure.pledge(body)


async def test_samples_are_taken_until_stopped() -> None:
    """One timer samples; a loop that is kept busy is seen to be late."""
    seen = asyncio.Event()

    def used_bytes(_limit: int) -> int:
        seen.set()
        return LIMIT

    pressure = Pressure(LIMIT, used_bytes=used_bytes, give_back=lambda: None, on_change=lambda _: None)
    pressure.start()
    await asyncio.wait_for(seen.wait(), 5)
    pressure.stop()
    assert pressure.load == "full"


async def test_what_is_used_is_known_from_the_start() -> None:
    """A body that comes before the first quarter of a second is over is held against what is used already."""
    pressure = Pressure(LIMIT, used_bytes=lambda _: LIMIT // 2, give_back=lambda: None, on_change=lambda _: None)
    pressure.start()
    assert not pressure.pledge(LIMIT // 2 // COPIES)
    pressure.stop()


def test_this_process_is_measured() -> None:
    """Linux tells how much memory a process uses: more than 10 MiB and less than a machine has."""
    assert 10 << 20 < memory_gauge.used_bytes() < 1 << 40
    memory_gauge.give_back()


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        pytest.param("0::/a/b\n", {"a/memory.max": "300\n", "a/b/memory.max": "max\n"}, 300, id="2, the parent's"),
        pytest.param("0::/\n", {"memory.max": "500\n"}, 500, id="2, a container"),
        pytest.param("4:memory:/host/x\n", {"memory/memory.limit_in_bytes": "700\n"}, 700, id="1, a container"),
        pytest.param("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0, id="1, none"),
        pytest.param("0::/\n", {}, 0, id="no file"),
        pytest.param("3:cpu:/\n", {"cpu/memory.max": "1\n"}, 0, id="another controller"),
    ],
)
def test_the_containers_limit_is_found(tmp_path: Path, groups: str, files: dict[str, str], limit: int) -> None:
    """The smallest limit of the control groups, whichever version they are."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert memory_gauge.limit_bytes(tmp_path) == limit


def write_limits(root: Path, address_space: str) -> None:
    """What Linux tells of a process with a soft limit on its address space."""
    (root / "proc/self").mkdir(parents=True)
    lines = ["Limit                     Soft Limit           Hard Limit           Units     "]
    for name, value in (("resident set", "1000"), ("address space", address_space), ("locked memory", "2000")):
        lines.append(f"Max {name:<21} {value:<20} unlimited            bytes     ")
    (root / "proc/self/limits").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(("soft", "limit"), [("314572800", 314572800), ("unlimited", 0)])
def test_the_limit_of_the_address_space_is_found(tmp_path: Path, soft: str, limit: int) -> None:
    """The soft limit holds; whoever has none has none."""
    write_limits(tmp_path, soft)
    assert memory_gauge.address_space_bytes(tmp_path) == limit


@pytest.mark.parametrize(
    ("space", "limit", "used"),
    [
        pytest.param("unlimited", 1000, 300, id="resident memory alone"),
        pytest.param("1000", 1000, 800, id="all that was asked for"),
        pytest.param("1000", 600, 400, id="a lower limit of another kind"),
        pytest.param("5000", 1000, 300, id="more space than it needs"),
        pytest.param("1000", 0, 300, id="no limit to measure against"),
    ],
)
def test_whatever_is_tighter_is_what_is_used(tmp_path: Path, space: str, limit: int, used: int) -> None:
    """Resident memory (300 pages here), or all of the limit but what the address space leaves (800 were asked for)."""
    page = mmap.PAGESIZE
    write_limits(tmp_path, str(int(space) * page) if space.isdecimal() else space)
    (tmp_path / "proc/self/statm").write_text("800 300 100 1 0 500 0\n")
    assert memory_gauge.used_bytes(limit * page, tmp_path) == used * page


def test_without_linux_there_is_no_limit(tmp_path: Path) -> None:
    """Where the system tells nothing, nothing is limited."""
    assert memory_gauge.limit_bytes(tmp_path) == memory_gauge.address_space_bytes(tmp_path) == 0


_READS = """
import resource, socket, sys
if sys.argv[1] == "kept":
    from llm_to_anthropic.gateway.memory_gauge import keep_room
    keep_room()
filled = [bytes(100_000) for _ in range(20)]
one, other = socket.socketpair()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(1000):
    one.send(b"x")
    other.recv(256 * 1024)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators keep room by rules of their own")
def test_read_after_read_finds_its_room_at_hand() -> None:
    """No read maps memory of its own, which costs nearly as much as all the rest of a paced event."""
    assert _faults("kept") < 100
    assert _faults("as it is") > 1000


def _faults(room: str) -> int:
    read = [sys.executable, "-c", _READS, room]
    return int(subprocess.run(read, check=True, capture_output=True).stdout)  # noqa: S603
