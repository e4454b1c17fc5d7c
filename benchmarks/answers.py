"""What the fake upstreams answer: each workload in the words of each protocol, whole and as stream events.

One source for both the server in C, which replays files, and the gate, which replays in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

EVENTS = 200
"""Content events of a stream, about: what opens and ends it comes on top."""
TURN_EVENTS = 60
"""Those of a short turn."""

WORDS = (
    "The ",
    "quick ",
    "brown ",
    "fox ",
    "jumps, ",
    'says "no" ',
    "and\n",
    "sleeps ",
    "until ",
    "caf\u00e9 ",
    "time. ",
)
ARGUMENTS = '{"path": "/srv/project/src/module.py", "offset": 120, "limit": 40, "pattern": "def [a-z]+"}'
TOOL = "tool_1"

Json = Mapping[str, object]
Piece = tuple[str, int, str]
"""Kind (text, thinking, call), index of the call, words."""


class Answer(msgspec.Struct, frozen=True):
    """One answer of an upstream, in both forms."""

    whole: bytes
    events: tuple[bytes, ...]


def pieces(workload: str) -> list[Piece]:
    """The content of a workload, in the order of its coming."""
    match workload:
        case "text":
            return [("text", 0, WORDS[at % len(WORDS)]) for at in range(EVENTS)]
        case "turn":
            return [("text", 0, WORDS[at % len(WORDS)]) for at in range(TURN_EVENTS)]
        case "long":
            return [("text", 0, "".join(WORDS) * 6) for _ in range(EVENTS)]
        case "thinking":
            half = EVENTS // 2
            words = [("thinking", 0, WORDS[at % len(WORDS)]) for at in range(half)]
            return words + [("text", 0, WORDS[at % len(WORDS)]) for at in range(EVENTS - half)]
        case "tools":
            return _parallel_calls()
        case "short":
            return [("text", 0, word) for word in WORDS[:5]]
    raise ValueError(workload)


WORKLOADS = ("text", "turn", "long", "thinking", "tools", "short")


def _parallel_calls() -> list[Piece]:
    """Four calls one after the other, each in pieces of a few characters."""
    calls = 4
    size = -(-len(ARGUMENTS) * calls // EVENTS)
    cut = [ARGUMENTS[at : at + size] for at in range(0, len(ARGUMENTS), size)]
    return [("call", call, piece) for call in range(calls) for piece in cut]


def answers() -> dict[tuple[str, str], Answer]:
    """Every workload of every protocol."""
    return {(name, workload): make(pieces(workload)) for name, make in PROTOCOLS.items() for workload in WORKLOADS}


def _event(data: Json, name: str = "", end: bytes = b"\n") -> bytes:
    head = b"event: %b%b" % (name.encode(), end) if name else b""
    return head + b"data: " + msgspec.json.encode(data) + end + end


def _joined(content: list[Piece], kind: str) -> str:
    return "".join(words for one, _, words in content if one == kind)


def _calls(content: list[Piece]) -> list[str]:
    """The arguments of each call."""
    indexes = sorted({index for kind, index, _ in content if kind == "call"})
    return ["".join(words for kind, at, words in content if kind == "call" and at == one) for one in indexes]


def _runs(content: list[Piece]) -> Iterator[tuple[str, int, list[str]]]:
    """Pieces of the same block together."""
    at = 0
    while at < len(content):
        kind, index, _ = content[at]
        end = at
        while end < len(content) and content[end][:2] == (kind, index):
            end += 1
        yield kind, index, [words for _, _, words in content[at:end]]
        at = end


def openai_chat(content: list[Piece]) -> Answer:
    """OpenAI Chat Completions."""
    frame = {
        "id": "chatcmpl-C0ffee00000000000000000000000",
        "created": 1_790_000_000,
        "model": "gpt-4.1-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    usage = {
        "prompt_tokens": 210,
        "completion_tokens": EVENTS,
        "total_tokens": 210 + EVENTS,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    calls = _calls(content)
    finish = "tool_calls" if calls else "stop"
    choice = {"index": 0, "message": _chat_message(content), "logprobs": None, "finish_reason": finish}
    whole = {**frame, "object": "chat.completion", "choices": [choice], "usage": usage}

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**frame, "object": "chat.completion.chunk", "choices": [choice], "usage": None})

    events = [chunk({"role": "assistant", "content": "" if not calls else None, "refusal": None})]
    for kind, index, run in _runs(content):
        if kind == "call":
            events.append(chunk({"tool_calls": [{"index": index, **_chat_call(index, "")}]}))
            events += [chunk({"tool_calls": [{"index": index, "function": {"arguments": words}}]}) for words in run]
        else:
            field = "content" if kind == "text" else "reasoning_content"
            events += [chunk({field: words}) for words in run]
    events.append(chunk({}, finish))
    events.append(_event({**frame, "object": "chat.completion.chunk", "choices": [], "usage": usage}))
    events[-1] += b"data: [DONE]\n\n"
    return Answer(msgspec.json.encode(whole), tuple(events))


def _chat_message(content: list[Piece]) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": _joined(content, "text") or None, "refusal": None}
    if thinking := _joined(content, "thinking"):
        message["reasoning_content"] = thinking
    if calls := _calls(content):
        message["tool_calls"] = [_chat_call(index, arguments) for index, arguments in enumerate(calls)]
    return message


def _chat_call(index: int, arguments: str) -> dict[str, object]:
    return {"id": f"call_{index:024d}", "type": "function", "function": {"name": TOOL, "arguments": arguments}}


def openai_responses(content: list[Piece]) -> Answer:
    """OpenAI Responses."""
    return _Responses(content).answer()


class _Responses:
    """Items and their events, numbered."""

    def __init__(self, content: list[Piece]) -> None:
        self._content = content
        self._events: list[bytes] = []
        self._output: list[Json] = []

    def answer(self) -> Answer:
        self._say("response.created", response=self._response("in_progress"))
        self._say("response.in_progress", response=self._response("in_progress"))
        for kind, index, run in _runs(self._content):
            match kind:
                case "text":
                    self._text(run)
                case "thinking":
                    self._thinking(run)
                case _:
                    self._call(index, run)
        whole = self._response("completed")
        self._say("response.completed", response=whole)
        return Answer(msgspec.json.encode(whole), tuple(self._events))

    def _say(self, type: str, **fields: object) -> None:
        data = {"type": type, "sequence_number": len(self._events), **fields}
        self._events.append(_event(data, type))

    def _response(self, status: str) -> Json:
        usage = {
            "input_tokens": 210,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": EVENTS,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 210 + EVENTS,
        }
        return {
            "id": "resp_00000000000000000000000000000001",
            "object": "response",
            "created_at": 1_790_000_000,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": "gpt-5.1-2025-11-13",
            "output": list(self._output),
            "parallel_tool_calls": True,
            "store": False,
            "usage": usage if status == "completed" else None,
        }

    def _item(self, opened: Json, done: Json, speak: Callable[[Json], None]) -> None:
        at = len(self._output)
        self._say("response.output_item.added", output_index=at, item=opened)
        speak({"item_id": opened["id"], "output_index": at})
        self._say("response.output_item.done", output_index=at, item=done)
        self._output.append(done)

    def _text(self, run: list[str]) -> None:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        item = {"id": f"msg_{len(self._output):032d}", "type": "message", "status": "in_progress", "role": "assistant"}
        whole = {**part, "text": "".join(run)}

        def speak(place: Json) -> None:
            here = {**place, "content_index": 0}
            self._say("response.content_part.added", **here, part=part)
            for words in run:
                self._say("response.output_text.delta", **here, delta=words, logprobs=[])
            self._say("response.output_text.done", **here, text=whole["text"], logprobs=[])
            self._say("response.content_part.done", **here, part=whole)

        self._item({**item, "content": []}, {**item, "status": "completed", "content": [whole]}, speak)

    def _thinking(self, run: list[str]) -> None:
        part = {"type": "summary_text", "text": ""}
        whole = {**part, "text": "".join(run)}
        item = {"id": f"rs_{len(self._output):032d}", "type": "reasoning", "encrypted_content": "c2VhbGVk" * 20}

        def speak(place: Json) -> None:
            here = {**place, "summary_index": 0}
            self._say("response.reasoning_summary_part.added", **here, part=part)
            for words in run:
                self._say("response.reasoning_summary_text.delta", **here, delta=words)
            self._say("response.reasoning_summary_text.done", **here, text=whole["text"])
            self._say("response.reasoning_summary_part.done", **here, part=whole)

        self._item({**item, "summary": []}, {**item, "summary": [whole]}, speak)

    def _call(self, index: int, run: list[str]) -> None:
        item = {
            "id": f"fc_{index:032d}",
            "type": "function_call",
            "status": "in_progress",
            "call_id": f"call_{index:024d}",
            "name": TOOL,
        }
        arguments = "".join(run)

        def speak(place: Json) -> None:
            for words in run:
                self._say("response.function_call_arguments.delta", **place, delta=words)
            self._say("response.function_call_arguments.done", **place, arguments=arguments)

        self._item({**item, "arguments": ""}, {**item, "status": "completed", "arguments": arguments}, speak)


def gemini(content: list[Piece]) -> Answer:
    """Google Gemini: each event is a fragment of the same shape as the whole; calls come whole."""
    frame = {"modelVersion": "gemini-2.5-pro", "responseId": "q83vAAAAAAAAAAAA"}
    usage = {"promptTokenCount": 210, "candidatesTokenCount": EVENTS, "totalTokenCount": 210 + EVENTS}

    def candidate(parts: list[Json], finish: str = "") -> Json:
        one: dict[str, object] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if finish:
            one["finishReason"] = finish
        return {"candidates": [one], "usageMetadata": usage, **frame}

    fragments = list(_gemini_parts(content))
    events = [_event(candidate([part]), end=b"\r\n") for part in fragments]
    events.append(_event(candidate([{"text": ""}], "STOP"), end=b"\r\n"))
    whole: list[Json] = []
    if thinking := _joined(content, "thinking"):
        whole.append({"text": thinking, "thought": True})
    if text := _joined(content, "text"):
        whole.append({"text": text})
    whole += [part for part in fragments if "functionCall" in part]
    return Answer(msgspec.json.encode(candidate(whole, "STOP")), tuple(events))


def _gemini_parts(content: list[Piece]) -> Iterator[Json]:
    for kind, _, run in _runs(content):
        match kind:
            case "text":
                yield from ({"text": words} for words in run)
            case "thinking":
                yield from ({"text": words, "thought": True} for words in run)
            case _:
                # Arguments do not come in pieces here: as many whole calls take the place of each piece's event.
                call = {"name": TOOL, "args": msgspec.json.decode(ARGUMENTS)}
                yield from ({"functionCall": call} for _ in run)


def anthropic(content: list[Piece]) -> Answer:
    """Anthropic itself."""
    usage = {
        "input_tokens": 210,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": EVENTS,
    }
    reason = "tool_use" if _calls(content) else "end_turn"
    message = {
        "id": "msg_01AAAAAAAAAAAAAAAAAAAAAA",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
    }
    end = {"stop_reason": reason, "stop_sequence": None}
    opened: Json = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    blocks: list[Json] = []
    events = [_named({"type": "message_start", "message": opened})]
    for at, (kind, index, run) in enumerate(_runs(content)):
        first, last, field = _anthropic_block(kind, index, "".join(run))
        start = _named({"type": "content_block_start", "index": at, "content_block": first})
        if at:
            events.append(start)
        else:  # so that the first words are the second event, as they are in Chat Completions
            events[0] += start
        delta_type = {"text": "text_delta", "thinking": "thinking_delta"}.get(kind, "input_json_delta")
        deltas = [{"type": delta_type, field: words} for words in run]
        events += [_named({"type": "content_block_delta", "index": at, "delta": delta}) for delta in deltas]
        events.append(_named({"type": "content_block_stop", "index": at}))
        blocks.append(last)
    events.append(_named({"type": "message_delta", "delta": end, "usage": {"output_tokens": EVENTS}}))
    events[-1] += _named({"type": "message_stop"})
    return Answer(msgspec.json.encode({**message, "content": blocks, **end, "usage": usage}), tuple(events))


def _anthropic_block(kind: str, index: int, words: str) -> tuple[Json, Json, str]:
    """The block as it opens, as it ends, and the field that its deltas have."""
    if kind == "text":
        return {"type": "text", "text": ""}, {"type": "text", "text": words}, "text"
    if kind == "thinking":
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        return empty, {**empty, "thinking": words, "signature": "c2lnbmVk" * 10}, "thinking"
    call: dict[str, object] = {"type": "tool_use", "id": f"toolu_{index:024d}", "name": TOOL}
    return {**call, "input": {}}, {**call, "input": msgspec.json.decode(words)}, "partial_json"


def _named(data: Json) -> bytes:
    return _event(data, str(data["type"]))


PROTOCOLS: Mapping[str, Callable[[list[Piece]], Answer]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "gemini": gemini,
    "anthropic": anthropic,
}
