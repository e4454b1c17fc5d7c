"""Names of tools that a server cuts into pieces, as it does with arguments."""

from __future__ import annotations

import json

import pytest

from llm_to_anthropic.providers.quirks import ChatQuirks
from tests.translators.chat_answers import call, delta, streamed, translator
from tests.translators.chat_requests import tool

LIVE = ChatQuirks(tool_args="live")
WEATHER = {"tools": [tool("get"), tool("get_weather"), tool("get_" + "w" * 70)]}


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize("id", [None, "call_0"], ids=["no id", "id"])
@pytest.mark.parametrize(
    "pieces",
    [
        [("get_wea", ""), ("ther", ""), (None, '{"x":1}')],
        [("get", ""), ("_weather", ""), (None, '{"x"'), (None, ":1}")],
        [("get_wea", '{"x"'), ("ther", ":1}")],
        [("g", ""), ("et_w", ""), ("eather", '{"x":1}')],
    ],
    ids=["in two", "another name first", "beside its arguments", "in three"],
)
def test_name_in_pieces_is_one_name(pieces: list[tuple[str | None, str]], id: str | None, quirks: ChatQuirks) -> None:
    """Pieces that make the name of a tool together are no calls of their own."""
    ids = [id] + [None] * len(pieces)
    chunks = [
        delta(tool_calls=[call(0, id=own, name=name, arguments=given)])
        for own, (name, given) in zip(ids, pieces, strict=False)
    ]
    message = streamed(*chunks, delta("tool_calls"), request=WEATHER, quirks=quirks)
    assert [(block["name"], block["input"]) for block in message["content"]] == [("get_weather", {"x": 1})]


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
def test_shortened_name_in_pieces_is_restored(quirks: ChatQuirks) -> None:
    """A name that the client knows by another comes back as the client's own, however it is cut."""
    made = translator(WEATHER, quirks)
    sent = json.loads(made.encode().body)["tools"][2]["function"]["name"]
    chunks = [delta(tool_calls=[call(0, name=piece)]) for piece in (sent[:20], sent[20:])]
    message = streamed(*chunks, delta("tool_calls"), request=WEATHER, quirks=quirks)
    assert [block["name"] for block in message["content"]] == ["get_" + "w" * 70]


@pytest.mark.parametrize("quirks", [ChatQuirks(), LIVE], ids=["buffer", "live"])
@pytest.mark.parametrize("id", [None, "call_0"], ids=["no id", "id"])
def test_whole_names_that_begin_alike_are_calls_of_their_own(id: str | None, quirks: ChatQuirks) -> None:
    """A tool whose name begins another's is called by it, with arguments or without."""
    chunks = [delta(tool_calls=[call(0, id=id, name=name)]) for name in ("get", "get_weather", "get")]
    message = streamed(*chunks, delta("tool_calls"), request=WEATHER, quirks=quirks)
    assert [block["name"] for block in message["content"]] == ["get", "get_weather", "get"]
