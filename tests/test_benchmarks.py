"""The benchmark and the gate: that they judge rightly, and that what they replay is what upstreams say."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from benchmarks.answers import PROTOCOLS, WORKLOADS, answers
from benchmarks.bodies import NUMBER, encode
from benchmarks.costs import Case, Costs, Figure, cases, measure
from benchmarks.gate import judge, read_stored
from benchmarks.measure import REQUESTS, STREAMS, Results, Workload
from benchmarks.native import SOURCES, Load, Native, Times
from benchmarks.planning import plan
from benchmarks.processes import Absent
from benchmarks.report import Found, chart, tables
from benchmarks.targets import COMPROMISED, LITELLM_VERSION, refuse_compromised

from tests.upstream.raw_server import OK, Peer, RawServer

ROOT = Path(__file__).resolve().parents[1]
STORED_FIGURES: Mapping[str, Figure] = read_stored().figures


def scaled(figure: Figure, *, time: float = 1.0, steps: float = 1.0) -> Figure:
    return Figure(figure.time * time, figure.steps * steps)


@pytest.mark.parametrize("name", [name for name, figure in STORED_FIGURES.items() if figure.time])
def test_gate_closes_for_a_fifth_more_time(name: str) -> None:
    """Whatever takes 20 % more time fails the gate, by name."""
    slower = {**STORED_FIGURES, name: scaled(STORED_FIGURES[name], time=1.2)}
    (problem,) = judge(slower, STORED_FIGURES)
    assert problem.startswith(f"{name}: takes 20% more time than stored")


@pytest.mark.parametrize("noise", [1.0, 2.0])
def test_gate_closes_for_a_fifth_more_steps_on_any_machine(noise: float) -> None:
    """Steps do not depend on the machine: 20 % more fail the gate, however busy it is."""
    longer = {name: scaled(figure, steps=1.2) for name, figure in STORED_FIGURES.items()}
    problems = judge(longer, STORED_FIGURES, noise)
    assert [problem.partition(": takes ")[0] for problem in problems] == list(STORED_FIGURES)


def test_gate_is_open_for_noise_and_for_savings() -> None:
    """A tenth more is noise, a fifth where the reference wavers as much, and less is welcome."""
    more, less = ({name: scaled(figure, time=by) for name, figure in STORED_FIGURES.items()} for by in (1.1, 0.5))
    busy = {name: scaled(figure, time=1.2) for name, figure in STORED_FIGURES.items()}
    assert judge(more, STORED_FIGURES) == judge(less, STORED_FIGURES) == judge(busy, STORED_FIGURES, 1.1) == []


def test_gate_notices_what_is_not_answered() -> None:
    """A protocol that fails altogether costs nothing, and must not pass for it."""
    name = next(iter(STORED_FIGURES))
    rest = {other: figure for other, figure in STORED_FIGURES.items() if other != name}
    assert judge(rest, STORED_FIGURES) == [f"{name}: is not answered any more"]


def test_events_are_priced_without_their_request() -> None:
    """The cost of an event is the stream's beyond that of a stream with hardly any, in units of the reference."""
    short = Case(name="short", request=b"", slices=(), end=b"")
    long = msgspec.structs.replace(short, name="long", units=100, minus="short")
    costs = Costs()
    costs.reference_s, costs.steps = [2.0, 2.0], {"short": 500.0, "long": 20_500.0}
    costs.note(short, 10.0)
    costs.note(long, 410.0)
    costs.note(long, 430.0)
    assert costs.figures() == {"short": Figure(0.0, 500.0), "long": Figure(2.0, 200.0)}


def test_reference_tells_of_neighbours() -> None:
    """Turns of the reference that are mostly slower than the fastest mean that others use the machine."""
    costs = Costs()
    costs.reference_s = [1.0, 1.01, 1.02, 1.05]
    assert costs.noise == 1.0
    costs.reference_s = [1.0, 1.5, 1.6]
    assert costs.noise > 1.3


def test_gate_measures_the_whole_path() -> None:
    """A request and its events go the real way from the client's bytes to the upstream's and back, and are priced."""
    wanted = {"openai_chat: small request", "openai_chat: short stream", "openai_chat: text, event"}
    costs = Costs()
    measure(costs, 0.3, lambda case: case.name in wanted)
    assert set(costs.figures()) == wanted
    assert all(figure.steps > 10 for figure in costs.figures().values())
    assert sum(figure.time > 0 for figure in costs.figures().values()) == 2


def test_gate_asks_of_every_protocol() -> None:
    """No protocol is left out of the gate."""
    assert {case.name.partition(":")[0] for case in cases()} == set(PROTOCOLS)


@pytest.mark.parametrize("workload", [name for name in WORKLOADS if name != "tools"])
def test_protocols_say_the_same(workload: str) -> None:
    """A workload has the same text in every protocol, whole and streamed."""
    text = re.compile(rb'"(?:text|content|delta)":"((?:[^"\\]|\\.)+)"')
    known = answers()
    events = [b"".join(known[protocol, workload].events) for protocol in ("anthropic", "openai_chat")]
    words = [[match for match in text.findall(stream) if match != b"assistant"] for stream in events]
    assert words[0] == words[1]
    assert b"".join(words[0]) in known["anthropic", workload].whole


@pytest.mark.parametrize(
    ("name", "least", "most"), [("small", 850, 950), ("agent", 58_000, 62_000), ("large", 1e6, 1.1e6)]
)
def test_bodies_have_the_size_they_are_named_by(name: str, least: float, most: float) -> None:
    """The tables name sizes; the bodies have them."""
    assert least <= len(encode(name, "chat/bench-text-burst", stream=False)) <= most


@pytest.mark.parametrize(("name", "places"), [("small-new", 1), ("agent-new", 4)])
def test_new_messages_are_new_in_each_request(name: str, places: int) -> None:
    """Where a table tells of new messages, each request has a number of its own in them, and is as long as before."""
    body = encode(name, "chat/bench-text-burst", stream=False)
    assert body.count(NUMBER.encode()) == places
    assert abs(len(body) - len(encode(name.removesuffix("-new"), "chat/bench-text-burst", stream=False))) < 100
    *before, last = msgspec.json.decode(body)["messages"]
    assert NUMBER in str(last)
    assert NUMBER not in str(before[:-1])


def test_agent_has_its_tools_and_messages() -> None:
    """The agent's request is the one that the tables describe."""
    sent = msgspec.json.decode(encode("agent", "chat/bench-text-burst", stream=False))
    assert (len(sent["tools"]), len(sent["messages"])) == (18, 51)


@pytest.mark.parametrize("version", sorted(COMPROMISED))
def test_compromised_releases_are_not_installed(version: str) -> None:
    """A release that carried malware is refused before any installer is asked."""
    with pytest.raises(Absent, match="compromised"):
        refuse_compromised(version)
    assert refuse_compromised(LITELLM_VERSION) == LITELLM_VERSION


def _events(target: str, workload: Workload) -> int:
    return len(answers()["anthropic" if "nginx" in target else "openai_chat", workload.answer.partition("-")[0]].events)


@pytest.fixture
def found() -> Found:
    """A run of round figures: the proxy costs thrice what nginx costs."""
    results = Results()
    times = Times(100.0, 200.0, 300.0)
    for name, cost in (
        ("before nginx", 0.0),
        ("before llm-to-anthropic", 0.0),
        ("nginx", 10.0),
        ("llm-to-anthropic", 30.0),
    ):
        for workload in (*REQUESTS, *STREAMS):
            load = Load(
                ok=100,
                refused=0,
                broken=0,
                unstopped=0,
                unfinished=0,
                seconds=1.0,
                events=100,
                latency_us=times,
                first_event_us=times,
                first_delta_us=times,
                cpu_us=cost * (_events(name, workload) if workload.per_event else 1) * 100,
            )
            results.add(name, workload, load)
    made = Found(results, rounds=1)
    for name in ("nginx", "llm-to-anthropic"):
        made.start_s[name], made.idle_mb[name], results.open_mb[name] = [0.1], 20.0, 40.0
        results.open_streams[name] = 1000
    return made


def test_tables_give_ratios_of_the_same_round(found: Found) -> None:
    """A cell holds the cost and what it is of nginx's."""
    assert "| small request, 32 at a time | request | 10.0 | 30.0 (3.00x, 3.00 to 3.00) |" in tables(found)


def test_peers_are_held_against_the_proxy(found: Found) -> None:
    """What a peer takes is told in multiples of what the proxy takes, for requests and for events."""
    for name, factor in (("request c32", 10.0), ("agent c32", 25.0), ("burst c32", 40.0)):
        found.results.loads["a peer", name] = [
            msgspec.structs.replace(load, cpu_us=load.cpu_us * factor)
            for load in found.results.loads["llm-to-anthropic", name]
        ]
    found.start_s["a peer"], found.idle_mb["a peer"] = [1.0], 300.0
    said = "a peer takes 10.0 to 25 times as long for a request and 40 to 40 times as long for an event"
    assert f"{said} as llm-to-anthropic." in tables(found)
    found.start_s["another"], found.idle_mb["another"] = [1.0], 300.0  # it started, and answered nothing
    assert "another takes" not in tables(found)


def test_plan_follows_from_the_figures(found: Found) -> None:
    """Ten times the streams need ten times the cores, and two descriptors each."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in plan(found).splitlines() if "|" in line]
    rows = {row[0]: row for row in cells}
    assert (rows["1,000"][2], rows["10,000"][2], rows["100,000"][2]) == ("3", "26", "251")
    assert rows["100,000"][5] == "200,000"


def test_chart_is_an_image(found: Found) -> None:
    """The chart is well-formed, with a bar for each server and workload."""
    image = ElementTree.fromstring(chart(found))  # noqa: S314  our own
    assert len(image.findall("{http://www.w3.org/2000/svg}rect")) == 1 + 4 * 2


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.parametrize("name", ["fake_upstream", "load"])
def test_programs_in_c_compile_without_a_warning(tmp_path: Path, name: str) -> None:
    """What `make bench` compiles first does compile."""
    command = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(tmp_path / name), str(SOURCES / f"{name}.c")]
    subprocess.run(command, check=True, timeout=60)  # noqa: S603


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
async def test_load_numbers_its_requests(tmp_path: Path) -> None:
    """Each request of a load has another number where the body has a place for one, and is whole."""
    bodies: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            bodies.append((await peer.request()).partition(b"\r\n\r\n")[2])
            await peer.send(OK)

    native, wanted = Native(tmp_path), 5
    async with RawServer(script) as server:
        body = encode("agent-new", "m", stream=False)
        load = await asyncio.to_thread(
            native.load, server.port, body, concurrency=1, requests=wanted, seconds=10.0, headers=()
        )
    assert (load.ok, load.failed, len(bodies)) == (wanted, 0, wanted)
    sent = [msgspec.json.decode(each) for each in bodies]
    ids = [each["messages"][-1]["content"][0]["tool_use_id"] for each in sent]
    assert ids == [each["messages"][-2]["content"][1]["id"] for each in sent]
    assert len(set(ids)) == wanted


def test_page_has_a_place_for_what_is_measured() -> None:
    """`make bench` finds where to write."""
    page = (ROOT / "docs" / "performance.md").read_text()
    for mark in ("measured", "planned"):
        begin, end = page.find(f"<!-- {mark}: written by"), page.find(f"<!-- end of {mark} -->")
        assert 0 <= begin < end
