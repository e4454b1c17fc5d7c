"""Recorded streams that break off after any event: another target answers, or one `error` event tells of it.

The recordings lie beside this project and are no part of it: without them these tests are skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.providers.provider import Protocol
from llm_to_anthropic.routing import Router
from llm_to_anthropic.scripted import Cut, Script, ScriptedUpstream, anthropic, stream
from llm_to_anthropic.settings import Retries, Settings
from llm_to_anthropic.translators.registry import TRANSLATORS, make_translator
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from tests.gateway.answers import good
from tests.gateway.conftest import Records
from tests.gateway.memory_reply import MemoryReply, ask, call, reply_to
from tests.gateway.pacing import FakePace, provider, routed

RECORDINGS = (Path(__file__).resolve().parents[2] / "../shared/traffic").resolve()
PROTOCOLS = ("anthropic", *TRANSLATORS)
ERRORS: Mapping[Protocol, bytes] = {
    "anthropic": anthropic.event(anthropic.error("Overloaded", type="overloaded_error")),
    "openai_chat": b'data: {"error":{"message":"Overloaded","type":"server_error","code":"server_error"}}\n\n',
    "openai_responses": (
        b'event: error\ndata: {"type":"error","code":"server_error","message":"Overloaded","param":null}\n\n'
    ),
    "gemini": b'data: {"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}\n\n',
}
TELLS_NOTHING = {"message_start", "ping", "content_block_start"}
EVERY_UP_TO = 64
"""Beginnings of so many events are all tried, of longer ones a few."""


def recorded() -> list[Any]:
    found = []
    for protocol in PROTOCOLS:
        for path in sorted(RECORDINGS.glob(f"{protocol}/*.json")):
            response = json.loads(path.read_bytes())["response"]
            if response["status"] == 200 and "sse" in response:
                found.append(pytest.param(protocol, response["sse"].encode(), id=f"{protocol}-{path.stem}"))
    skip = pytest.mark.skip(reason=f"no recordings at {RECORDINGS.name}")
    return found or [pytest.param(None, None, id="no recordings", marks=skip)]


def beginnings(data: bytes) -> list[bytes]:
    """The stream up to each of its events; of two messages in one recording only the first."""
    head, stop, rest = data.partition(b'"type":"message_stop"')
    data = head + stop + rest[: rest.find(b"\n\n") + 2]
    ends = [0, *(match.end() for match in re.finditer(rb"\r?\n\r?\n", data))]
    kept = [end for count, end in enumerate(ends) if count <= EVERY_UP_TO or count % 32 == 0 or end == ends[-1]]
    return [data[:end] for end in kept]


def said(protocol: Protocol, data: bytes) -> str:
    """What a beginning tells a client: `nothing`, `something`, the whole `message`, or an `error` of its own."""
    if protocol == "anthropic":
        kinds = {json.loads(event)["type"] for event in re.findall(rb"^data: ?(\{.*)$", data, re.MULTILINE)}
        ended = "message" if "message_stop" in kinds else "error" if "error" in kinds else ""
        return ended or ("something" if kinds - TELLS_NOTHING else "nothing")
    one = provider("one", "http://127.0.0.1:1", protocol)
    target = Router(Settings(providers={"one": one}, aliases={})).resolve("one/m").targets[0]
    body = json.dumps(ask("mine", stream=True)).encode()
    request = ClientRequest(body=body, model="mine", stream=True, request_id="r", message_id="m")
    made = make_translator(request, target, Learned())
    made.encode()
    told = made.receive_data(data)
    if made.failure is not None:
        return "error"
    return "message" if made.ended or made.settled else "something" if told else "nothing"


@pytest.fixture
def second_script() -> Script:
    return Script(otherwise=lambda _: good("openai_chat", "from the second", streamed=True))


async def answered(gateway: Gateway, model: str) -> MemoryReply:
    return await reply_to(gateway, call(ask(model, stream=True)))


@pytest.mark.parametrize(("protocol", "data"), recorded())
async def test_every_beginning_of_a_recorded_stream(
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
    script: Script,
    protocol: Protocol,
    data: bytes,
) -> None:
    """Before the first word the answer is the second target's alone; after it one `error` event ends the first's."""
    pace = FakePace()
    targets = {"m": provider("one", upstream.url, protocol), "n": provider("two", second.url)}
    async with routed(targets, pace, Records(), retries=Retries(max_retries=0)) as gateway:
        clean = (await answered(gateway, "two/n")).body.replace(b'"model":"two/n"', b'"model":"mine"')
        for count, beginning in enumerate(beginnings(data)):
            expected = said(protocol, beginning)
            if expected == "error":
                break
            pace.at += 1000.0  # whatever is open by now lets a probe through
            script.push(stream(beginning, ERRORS[protocol] if count % 2 else Cut()))
            reply = await answered(gateway, "mine")
            starts, errors = reply.events().count("message_start"), reply.events().count("error")
            if expected == "nothing":
                assert (reply.headers[b"x-upstream-provider"], reply.body) == (b"two", clean)
            elif expected == "something":
                assert (starts, errors, reply.events()[-1]) == (1, 1, "error")
            else:
                assert (starts, reply.events()[-1] in {"message_stop", "error"}) == (1, True)
