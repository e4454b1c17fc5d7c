"""What an event costs in each translator: the same answer as each upstream would send it, side by side in one process.

Every event is a slice of its own. Rounds are interleaved and what counts is the CPU time of the fastest, so that a busy
machine disturbs little. Prints microseconds per event, and how much more that is than Chat Completions'.

    python benchmarks/translators.py [--events 2000] [--rounds 15] [--most 1.3]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from llm_to_anthropic.providers.provider import Credential, Protocol, Provider, Target
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.registry import TRANSLATORS, make_translator
from llm_to_anthropic.translators.translator import ClientRequest, Learned

WORDS = ("The ", "quick ", "brown ", "fox, ", "says ", "she: ", '"jump"', " over\n", "the ", "lazy ", "dog. ")
MODELS: Mapping[Protocol, tuple[str, str]] = {
    "openai_chat": ("https://api.openai.com/v1", "gpt-4.1"),
    "openai_responses": ("https://api.openai.com/v1", "gpt-5"),
    "gemini": ("https://generativelanguage.googleapis.com/v1beta", "gemini-2.5-pro"),
}
TOOL = {"name": "write_file", "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}}}
BODY = msgspec.json.encode(
    {
        "model": "claude-x",
        "max_tokens": 4096,
        "stream": True,
        "tools": [TOOL],
        "messages": [{"role": "user", "content": "Tell me about the fox."}],
    }
)
Event = Mapping[str, object]


def texts(count: int) -> list[str]:
    """The pieces of text that an answer is made of."""
    return [WORDS[index % len(WORDS)] for index in range(count)]


def chat_stream(pieces: Sequence[str]) -> list[bytes]:
    """As api.openai.com streams Chat Completions."""

    def chunk(delta: Event, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        head = {"id": "chatcmpl-CkV2x0fGq1", "object": "chat.completion.chunk", "created": 1764000000}
        rest = {"model": "gpt-4.1-2025-04-14", "service_tier": "default", "system_fingerprint": "fp_51db84afab"}
        return _data({**head, **rest, "choices": [choice], "usage": None})

    usage = {"prompt_tokens": 20, "completion_tokens": len(pieces), "total_tokens": 20 + len(pieces)}
    end = _data({"id": "chatcmpl-CkV2x0fGq1", "object": "chat.completion.chunk", "choices": [], "usage": usage})
    first = chunk({"role": "assistant", "content": ""})
    middle = (chunk({"content": piece}) for piece in pieces)
    return [first, *middle, chunk({}, "stop"), end, b"data: [DONE]\n\n"]


def responses_stream(pieces: Sequence[str]) -> list[bytes]:
    """As api.openai.com streams Responses."""
    numbers = iter(range(len(pieces) + 20))

    def event(kind: str, **fields: object) -> bytes:
        body = {"type": f"response.{kind}", "sequence_number": next(numbers), **fields}
        return f"event: response.{kind}\n".encode() + _data(body)

    place = {"item_id": "msg_0a1b2c3d4e5f6071", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": "".join(pieces)}
    item = {"id": place["item_id"], "type": "message", "status": "completed", "content": [part], "role": "assistant"}
    usage = {"input_tokens": 20, "output_tokens": len(pieces), "total_tokens": 20 + len(pieces)}
    begun = {"id": "resp_0a1b2c3d", "object": "response", "status": "in_progress", "model": "gpt-5", "output": []}
    return [
        event("created", response=begun),
        event("in_progress", response=begun),
        event("output_item.added", output_index=0, item={**item, "status": "in_progress", "content": []}),
        event("content_part.added", **place, part={**part, "text": ""}),
        *(event("output_text.delta", **place, delta=piece, logprobs=[]) for piece in pieces),
        event("output_text.done", **place, text=part["text"], logprobs=[]),
        event("content_part.done", **place, part=part),
        event("output_item.done", output_index=0, item=item),
        event("completed", response={**begun, "status": "completed", "output": [item], "usage": usage}),
    ]


def gemini_stream(pieces: Sequence[str]) -> list[bytes]:
    """As Google streams Gemini."""

    def chunk(number: int, piece: str, **fields: object) -> bytes:
        candidate = {"content": {"parts": [{"text": piece}], "role": "model"}, **fields, "index": 0}
        details = [{"modality": "TEXT", "tokenCount": 20}]
        tokens = {"promptTokenCount": 20, "candidatesTokenCount": number, "totalTokenCount": 20 + number}
        usage = {**tokens, "promptTokensDetails": details}
        rest = {"modelVersion": "gemini-2.5-pro", "responseId": "Zm94ZXMganVtcA"}
        return _data({"candidates": [candidate], "usageMetadata": usage, **rest}).replace(b"\n", b"\r\n")

    last = len(pieces) - 1
    ends: Sequence[Event] = [{"finishReason": "STOP"} if number == last else {} for number in range(len(pieces))]
    return [chunk(number, piece, **ends[number]) for number, piece in enumerate(pieces)]


STREAMS: Mapping[Protocol, Callable[[Sequence[str]], list[bytes]]] = {
    "openai_chat": chat_stream,
    "openai_responses": responses_stream,
    "gemini": gemini_stream,
}


def target_of(protocol: Protocol) -> Target:
    """The vendor's own server and a usual model of it."""
    base_url, model = MODELS[protocol]
    provider = Provider(name="upstream", protocol=protocol, base_url=base_url, credential=Credential())
    settings = Settings(providers={"upstream": provider}, aliases={})
    return Router(settings).resolve(f"upstream/{model}").targets[0]


def time_stream(target: Target, events: Sequence[bytes], wanted: str) -> float:
    """CPU seconds for the answer of one request."""
    request = ClientRequest(body=BODY, model="claude-x", stream=True, request_id="req_1", message_id="msg_1")
    translator = make_translator(request, target, Learned())
    translator.encode()
    begun = time.process_time()
    written = [translator.receive_data(event) for event in events]
    written.append(translator.receive_eof())
    spent = time.process_time() - begun
    if translator.failure or not translator.ended or _text(b"".join(written)) != wanted:
        raise SystemExit(f"{target.protocol}: the answer did not come through")
    return spent


def measure(events: int, rounds: int) -> dict[Protocol, float]:
    """Microseconds per event by protocol, of the fastest round."""
    pieces = texts(events)
    spoken = [protocol for protocol in STREAMS if protocol in TRANSLATORS]
    streams = {protocol: (target_of(protocol), STREAMS[protocol](pieces)) for protocol in spoken}
    best = dict.fromkeys(spoken, float("inf"))
    for _ in range(rounds):
        for protocol, (target, stream) in streams.items():
            spent_us = time_stream(target, stream, "".join(pieces)) * 1e6
            best[protocol] = min(best[protocol], spent_us / len(stream))
    return best


def main(arguments: Sequence[str]) -> int:
    """1 where a protocol costs more than `--most` times Chat Completions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--most", type=float, default=1.3)
    given = parser.parse_args(arguments)
    found = measure(given.events, given.rounds)
    chat = found["openai_chat"]
    for protocol, cost_us in found.items():
        sys.stdout.write(f"{protocol:17} {cost_us:6.2f} us/event  {cost_us / chat:5.2f} x\n")
    return int(any(cost_us > given.most * chat for cost_us in found.values()))


def _data(body: Event) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _text(stream: bytes) -> str:
    """The text of an Anthropic stream."""
    lines = [line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: ")]
    deltas = [msgspec.json.decode(line).get("delta", {}) for line in lines]
    return "".join(delta.get("text", "") for delta in deltas if delta.get("type") == "text_delta")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
