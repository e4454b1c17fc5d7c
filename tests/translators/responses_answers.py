"""Feeds invented Responses answers to a translator and reads what the client gets."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from llm_to_anthropic.providers.provider import Credential, ModelLimits, Provider, Secret, Target
from llm_to_anthropic.providers.quirks import ResponsesQuirks
from llm_to_anthropic.translators.carrier import decode_carrier
from llm_to_anthropic.translators.openai_responses.translator import OpenAIResponsesTranslator
from llm_to_anthropic.translators.translator import ClientRequest, Learned
from tests.messages import Event
from tests.translators.reading import failed_answer, streamed_message, whole_message

Json = Any

NOW = 1_700_000_000.0
MODEL = "gpt-5.6-sol"
TOOLS = [
    {"name": name, "description": "Looks", "input_schema": {"type": "object", "properties": {"at": {}}}}
    for name in ("look", "listen")
]
SEARCH = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}
FETCH = {"tools": [*SEARCH["tools"], {"type": "web_fetch_20250910", "name": "web_fetch"}]}
CODE = {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}
ON = {"thinking": {"type": "adaptive"}}
OMITTED = {"thinking": {"type": "adaptive", "display": "omitted"}}
OFF = {"thinking": {"type": "disabled"}}
DONE = b"data: [DONE]\n\n"


def target(quirks: ResponsesQuirks | None = None, model: str = MODEL) -> Target:
    provider = Provider(
        name="openai",
        protocol="openai_responses",
        base_url="http://openai.test/v1",
        credential=Credential(key=Secret("test-key"), variable="OPENAI_API_KEY"),
    )
    return Target(
        provider=provider,
        model=model,
        limits=ModelLimits(context_window=400_000),
        protocol="openai_responses",
        responses=quirks or ResponsesQuirks(),
    )


def a_request(members: Json | None = None, *, stream: bool = True) -> ClientRequest:
    """A short request, with other members if they are given."""
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": "claude-x", "max_tokens": 1000, "messages": messages, "tools": TOOLS, "stream": stream}
    return ClientRequest(
        body=msgspec.json.encode(body | (members or {})),
        model="claude-x",
        stream=stream,
        request_id="req_1",
        message_id="msg_1",
    )


def translator(
    request: Json | None = None,
    quirks: ResponsesQuirks | None = None,
    *,
    stream: bool = True,
    learned: Learned | None = None,
) -> OpenAIResponsesTranslator:
    """A translator whose request is encoded."""
    made = OpenAIResponsesTranslator(
        a_request(request, stream=stream), target(quirks), learned or Learned(), now=lambda: NOW
    )
    made.encode()
    return made


def event(kind: str, **members: Json) -> bytes:
    """One event of a stream, as OpenAI frames it."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind} | members).encode())


def created() -> bytes:
    beginning = {"response": {"id": "resp_1", "status": "in_progress", "output": []}}
    return event("response.created", **beginning) + event("response.in_progress", **beginning)


def added(index: int | None, item: Json, **members: Json) -> bytes:
    return event("response.output_item.added", output_index=index, item=item, **members)


def done(index: int | None, item: Json, **members: Json) -> bytes:
    return event("response.output_item.done", output_index=index, item=item, **members)


def text(index: int, delta: str, part: int = 0) -> bytes:
    return event("response.output_text.delta", output_index=index, content_index=part, delta=delta)


def thought(index: int, delta: str, part: int = 0) -> bytes:
    return event("response.reasoning_summary_text.delta", output_index=index, summary_index=part, delta=delta)


def arguments(index: int, delta: str) -> bytes:
    return event("response.function_call_arguments.delta", output_index=index, delta=delta)


def annotation(index: int, found: Json, part: int = 0) -> bytes:
    return event("response.output_text.annotation.added", output_index=index, content_index=part, annotation=found)


def message(said: str | None = "", *, annotations: Json = (), **members: Json) -> Json:
    content = [] if said is None else [{"type": "output_text", "text": said, "annotations": list(annotations)}]
    return {"type": "message", "id": "msg_a", "role": "assistant", "content": content} | members


def refusal(said: str) -> Json:
    return message(None) | {"content": [{"type": "refusal", "refusal": said}]}


def reasoning(*summary: str, encrypted: str | None = "sealed", id: str = "rs_1", **members: Json) -> Json:
    parts = [{"type": "summary_text", "text": part} for part in summary]
    made = {"type": "reasoning", "id": id, "summary": parts} | members
    return made if encrypted is None else made | {"encrypted_content": encrypted}


def call(name: str | None = "look", given: str = '{"at":1}', *, id: str | None = "call_1", **members: Json) -> Json:
    made = {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": name, "arguments": given} | members
    return {key: value for key, value in made.items() if value is not None}


def citation(url: str = "https://a.test/x", start: int | None = None, end: int | None = None, **members: Json) -> Json:
    return {"type": "url_citation", "url": url, "title": "A", "start_index": start, "end_index": end} | members


def usage(read: int = 10, wrote: int = 5, **details: int) -> Json:
    thought = details.pop("reasoning_tokens", 0)
    return {
        "input_tokens": read,
        "input_tokens_details": details,
        "output_tokens": wrote,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read + wrote,
    }


def response(*output: Json, status: str = "completed", **members: Json) -> Json:
    return {"id": "resp_1", "object": "response", "status": status, "output": output, "usage": usage()} | members


def completed(*output: Json, **members: Json) -> bytes:
    return event("response.completed", response=response(*output, **members))


def incomplete(reason: str, *output: Json) -> bytes:
    answer = response(*output, status="incomplete", incomplete_details={"reason": reason})
    return event("response.incomplete", response=answer)


def failed(code: str, said: str = "Boom") -> bytes:
    error = {"code": code, "message": said}
    return event("response.failed", response=response(status="failed", error=error, usage=None))


def whole(*output: Json, **members: Json) -> bytes:
    """A whole answer as JSON."""
    return json.dumps(response(*output, **members)).encode()


def item_events(index: int, item: Json) -> bytes:
    """An item as OpenAI streams it: announced, in pieces, whole."""
    match item["type"]:
        case "message":
            head = item | {"content": []}
            pieces = [
                piece for part, content in enumerate(item["content"]) for piece in _part_events(index, part, content)
            ]
        case "reasoning":
            head = {"type": "reasoning", "id": item["id"], "summary": []}
            pieces = [
                thought(index, piece, part)
                for part, summary in enumerate(item["summary"])
                for piece in halves(summary["text"])
            ]
        case "function_call":
            head = item | {"arguments": ""}
            pieces = [arguments(index, piece) for piece in halves(item["arguments"])]
        case _:
            head, pieces = {"type": item["type"], "id": item.get("id"), "status": "in_progress"}, []
    return added(index, head) + b"".join(pieces) + done(index, item)


def _part_events(index: int, part: int, content: Json) -> list[bytes]:
    """A text, each annotation right behind the words that it marks, or a refusal."""
    if "refusal" in content:
        place = {"output_index": index, "content_index": part}
        return [event("response.refusal.delta", delta=piece, **place) for piece in halves(content["refusal"])]
    events, begin = [], 0
    for found in content["annotations"]:
        end = found.get("end_index") or len(content["text"])
        events += [text(index, piece, part) for piece in halves(content["text"][begin:end])]
        events.append(annotation(index, found, part))
        begin = end
    return events + [text(index, piece, part) for piece in halves(content["text"][begin:])]


def halves(said: str) -> list[str]:
    return [piece for piece in (said[: len(said) // 2], said[len(said) // 2 :]) if piece]


def stream_of(*output: Json, **members: Json) -> list[bytes]:
    """The same answer as `whole`, streamed."""
    return [created(), *(item_events(index, item) for index, item in enumerate(output)), completed(*output, **members)]


def streamed(*slices: bytes, request: Json | None = None, quirks: ResponsesQuirks | None = None) -> Event:
    """The message of a streamed answer, whose events must be legal."""
    return streamed_message(translator(request, quirks), slices)


def collected(*slices: bytes, request: Json | None = None, quirks: ResponsesQuirks | None = None) -> Event:
    """The whole message of an answer, for a client that does not stream."""
    return whole_message(translator(request, quirks, stream=False), slices)


def both(*output: Json, request: Json | None = None, **members: Json) -> Event:
    """The message of an answer: the same streamed and whole, to a client that streams and to one that does not."""
    stream, body = stream_of(*output, **members), whole(*output, **members)
    found = [read(*given, request=request) for given in (stream, [body]) for read in (streamed, collected)]
    assert all(_comparable(message) == _comparable(found[0]) for message in found)
    return found[0]


def failure(*slices: bytes, request: Json | None = None) -> tuple[int, str, str]:
    """(status, type, message) of an answer that fails, streamed and whole."""
    return failed_answer(translator(request), translator(request, stream=False), slices)


def kinds(message: Event) -> list[str]:
    return [block["type"] for block in message["content"]]


def _comparable(message: Event) -> Json:
    """What streams tell of a message, too: neither its tier nor how long its cache lives."""
    counts = {key: value for key, value in message["usage"].items() if key not in ("cache_creation", "service_tier")}
    return without_nulls(message | {"usage": counts})


def without_nulls(value: Json) -> Json:
    """A message without its absent members: what a stream leaves out, a whole message has as null."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def carried(block: Json) -> list[Json]:
    """What comes back with a thinking block."""
    carrier = decode_carrier(block["signature"])
    assert carrier is not None
    return [json.loads(bytes(item)) for item in carrier.items]
