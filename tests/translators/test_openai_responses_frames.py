"""Text of OpenAI Responses that is read by its frame makes the message that decoding would have made."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_to_anthropic.translators.openai_responses.frames import TEXT_DELTA, DeltaFlow, DeltaFrames
from tests.translators.responses_answers import call, message, response, streamed

Json = Any
HEAD = b"<"
ENDS = "}}\n\n"


class Server:
    """Writes events as one server does; without `numbers` none of them has a frame."""

    def __init__(self, *, numbers: str, named: bool = True, spaced: bool = False) -> None:
        self._numbers = numbers
        self._named = named
        self._separators = (", ", ": ") if spaced else (",", ":")
        self._count = 0

    def event(self, kind: str, **members: Json) -> bytes:
        """One event, its number in the place where this server has it."""
        self._count += 1
        number = {"sequence_number": self._count}
        first = number if self._numbers == "first" else {}
        last = number if self._numbers == "last" else {}
        data = json.dumps({"type": kind} | first | members | last, separators=self._separators)
        name = f"event: {kind}\n" if self._named else ""
        return f"{name}data: {data}\n\n".encode()

    def text(self, delta: str, *, index: int = 0, part: int = 0, id: str = "msg_a") -> bytes:
        """A piece of text."""
        return self.event(TEXT_DELTA, item_id=id, output_index=index, content_index=part, delta=delta, logprobs=[])

    def data(self, delta: str) -> bytes:
        """The same without its framing."""
        return self.text(delta).partition(b"data: ")[2].strip()


def flow_of(server: Server) -> DeltaFlow:
    """The flow after one event of this server."""
    flow = DeltaFrames().flow(server.data("Hello"), HEAD)
    assert flow is not None
    return flow


@pytest.mark.parametrize("numbers", ["first", "last"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize("spaced", [True, False], ids=["spaced", "dense"])
def test_text_in_full_flow_needs_no_decoding(numbers: str, named: bool, spaced: bool) -> None:
    """Wherever a server writes an event's number, text passes as the JSON string that came, alone and in bursts."""
    server = Server(numbers=numbers, named=named, spaced=spaced)
    flow = flow_of(server)
    told = [flow.pass_on(server.text(piece)) for piece in ("a", "caf\u00e9")]
    told.append(flow.pass_on(b"".join(server.text(piece) for piece in ("b", "\n", '"')) + b"event: "))
    assert b"".join(told).decode() == "".join(
        f"<{json.dumps(said)}{ENDS}" for said in ("a", "caf\u00e9", "b", "\n", '"')
    )
    assert (flow.texts, flow.size, flow.rest) == (["a", "caf\u00e9", "b", "\n", '"'], 9, b"event: ")


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda server: server.text(""), id="no text"),
        pytest.param(lambda server: server.text("x", index=1), id="another item"),
        pytest.param(lambda server: server.text("x", part=1), id="another part"),
        pytest.param(lambda server: server.text("x", id="msg_b"), id="another id"),
        pytest.param(lambda server: server.text("x").replace(b'"x"', b"null"), id="null"),
        pytest.param(lambda server: server.text("x").replace(b'"x"', b'"x","delta":"y"'), id="twice"),
        pytest.param(lambda server: server.text("x").replace(b'"x"', b'"\\ud83d"'), id="half a character"),
        pytest.param(lambda server: server.text("x").replace(b'"x"', b'"\xff"'), id="no UTF-8"),
        pytest.param(lambda server: server.text("x").replace(b'"x"', b'"x"\n'), id="line break behind"),
        pytest.param(lambda server: server.text("x").replace(b'"x"', b'\r"x"'), id="line break before"),
        pytest.param(lambda server: server.text("x").replace(b'_number":', b'_number":-'), id="odd number"),
        pytest.param(lambda server: server.event("response.output_text.done", output_index=0, text="x"), id="done"),
    ],
)
@pytest.mark.parametrize("numbers", ["first", "last"])
def test_what_is_more_than_text_is_left_to_decoding(odd: Json, numbers: str) -> None:
    """Alone or amid texts, an event that differs in more than text and number stops the flow, and nothing is lost."""
    server = Server(numbers=numbers)
    flow = flow_of(server)
    assert flow.pass_on(server.text("a") + b"eve")
    for data in (odd(server)[3:], (server.text("b") + odd(server))[3:]):
        assert flow.pass_on(data) == b""
        assert (flow.texts, flow.rest) == (["a"], b"eve")


@pytest.mark.parametrize("numbers", ["first", "last"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_text_before_anything_else_is_passed_on(numbers: str, named: bool) -> None:
    """Of a read that begins with texts those flow, and what follows them is left to decoding, to the byte."""
    server = Server(numbers=numbers, named=named)
    for odd in (
        server.text("", index=0),
        server.text("x", index=1),
        server.event("response.completed"),
        b": alive\n\n",
    ):
        flow = flow_of(server)
        texts = b"".join(server.text(piece) for piece in ("a", "\n", "b"))
        rest = odd + server.text("c")
        out, left = flow.lead(texts + rest)
        assert out.decode() == "".join(f"<{json.dumps(said)}{ENDS}" for said in ("a", "\n", "b"))
        assert (flow.texts, flow.size, flow.rest, left) == (["a", "\n", "b"], 3, b"", rest)


def test_beginning_of_an_event_waits_for_its_end() -> None:
    """What had come of another event behind the texts of a read is kept, not decoded."""
    server = Server(numbers="first")
    flow, cut = flow_of(server), server.text("b")
    out, left = flow.lead(server.text("a") + cut[:-9])
    assert (out.decode(), left, flow.rest) == (f'<"a"{ENDS}', b"", cut[:-9])
    assert flow.pass_on(cut[-9:]).decode() == f'<"b"{ENDS}'


def test_question_mark_that_also_stands_elsewhere_is_no_frame() -> None:
    """Nor is one where a look with another text in its place would find the same."""
    event = Server(numbers="last").text("?", id="?").partition(b"data: ")[2].strip()
    assert DeltaFrames().flow(event, HEAD) is None


def test_frames_that_are_never_met_are_not_learned_for_ever() -> None:
    """A server that pads its events, or gives its items new names, is decoded after a few attempts."""
    server, frames = Server(numbers="last"), DeltaFrames()
    flows = [frames.flow(server.data("Hello"), HEAD) for _ in range(9)]
    assert None in flows
    assert flows[-1] is None


def answer(server: Server, chance: random.Random, texts: list[str]) -> bytes:
    """A stream of texts among whatever else may come between them."""
    added, output = "response.output_item.added", [message("".join(texts)), call(), message("and more")]
    events = [server.event("response.created", response={"id": "r", "output": []})]
    events.append(server.event(added, output_index=0, item=message(None)))
    for piece in texts:
        events.append(server.text(piece, id=chance.choice(["msg_a"] * 20 + ["msg_b"])))
        between = chance.randrange(24)
        if between == 0:
            events.append(server.event("response.something_new", output_index=0))
        elif between == 1:
            events.append(server.event("response.output_text.done", output_index=0, content_index=0, text="?"))
        elif between == 2:
            events.append(server.text("early", index=2))
    events.append(server.event("response.output_item.done", output_index=0, item=output[0]))
    events.append(server.event(added, output_index=1, item=call()))
    events.append(server.event("response.output_item.done", output_index=1, item=call()))
    events += [server.text(piece, index=2) for piece in ("and", " mo")]
    events.append(server.event("response.output_item.done", output_index=2, item=output[2]))
    events.append(server.event("response.completed", response=response(*output)))
    return b"".join(events)


def sliced(data: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.randrange(len(data)) for _ in range(chance.choice([0, 3, 30, 300])))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(
    st.lists(st.text(max_size=9) | st.just("word "), max_size=40),
    st.randoms(use_true_random=False),
    st.sampled_from(["first", "last"]),
    st.booleans(),
)
def test_frames_change_nothing(texts: list[str], chance: random.Random, numbers: str, named: bool) -> None:
    """However a stream is cut and whatever comes amid its texts, it is the message of the same without numbers."""
    seed = chance.random()
    framed, plain = (
        answer(Server(numbers=kind, named=named), random.Random(seed), texts)  # noqa: S311  the same twice
        for kind in (numbers, "none")
    )
    assert streamed(*sliced(framed, chance)) == streamed(plain)


@pytest.mark.parametrize("numbers", ["first", "last"])
def test_text_told_at_the_end_goes_on_where_the_flow_stopped(numbers: str) -> None:
    """What the end of a text tells beyond its pieces is recovered, and nothing of them comes twice."""
    server = Server(numbers=numbers)
    events = [server.text(piece) for piece in ("One ", "two ", "three ", "fo")]
    events.append(server.event("response.output_text.done", output_index=0, content_index=0, text="One two three four"))
    events.append(server.event("response.completed", response=response(message("One two three four"))))
    assert [block["text"] for block in streamed(*events)["content"]] == ["One two three four"]
