"""The requests that clients send: a small one, an agent's in mid-work, and one with a megabyte of files in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

SYSTEM = "You are a careful assistant who answers in short sentences. "
LINE = "        return self.answer(question) if question else None  # line %d\n"
TOOLS = 18
TURNS = 25
NUMBER = "@" * 16
"""In its place each request has a number of its own, so that what it stands in is new to whoever remembers."""

Json = dict[str, object]


def small(mark: str = "") -> Json:
    """0.9 KB: a prompt, and the third turn of a chat. `mark` is in the last message."""
    return {
        "max_tokens": 1024,
        "system": SYSTEM * 5,
        "messages": [
            _user("Hello, tell me about foxes."),
            {"role": "assistant", "content": [{"type": "text", "text": "Foxes are small mammals of the dog family."}]},
            _user(mark + 'More, please: what do they eat, and who said "quick"? Caf\u00e9 included. ' * 4),
        ],
    }


def agent(mark: str = "") -> Json:
    """60 KB: 18 tools and 51 messages, as a coding agent sends them. `mark` is all over the last turn."""
    return _agent(lines=16, prompt=130, mark=mark)


def large() -> Json:
    """1 MB: the same with longer files."""
    return _agent(lines=575, prompt=130)


BODIES: Mapping[str, Callable[[], Json]] = {
    "small": small,
    "small-new": partial(small, NUMBER),
    "agent": agent,
    "agent-new": partial(agent, NUMBER),
    "large": large,
}


def encode(name: str, model: str, *, stream: bool) -> bytes:
    """A body as it travels, for a model."""
    return msgspec.json.encode({"model": model, "stream": stream, **BODIES[name]()})


def _agent(*, lines: int, prompt: int, mark: str = "") -> Json:
    file = "".join(LINE % line for line in range(lines))
    messages: list[Json] = [_user("Find out why the answer is missing, and mend it. " * 4)]
    for turn in range(TURNS):
        own = mark if turn == TURNS - 1 else ""
        call = {"path": f"/srv/project/src/module_{turn}.py", "offset": turn * 40, "limit": lines}
        id = f"toolu_{own}{turn:0{24 - len(own)}d}"
        said = {"type": "text", "text": f"{own}I read the next file to see who calls it."}
        use = {"type": "tool_use", "id": id, "name": f"tool_{turn % TOOLS}", "input": call}
        result = {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": own + file}]}
        messages += [{"role": "assistant", "content": [said, use]}, {"role": "user", "content": [result]}]
    return {
        "max_tokens": 8192,
        "system": [{"type": "text", "text": SYSTEM * prompt, "cache_control": {"type": "ephemeral"}}],
        "tools": [_tool(number) for number in range(TOOLS)],
        "messages": messages,
    }


def _user(text: str) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _tool(number: int) -> Json:
    properties = {
        "path": {"type": "string", "description": "The absolute path of the file"},
        "offset": {"type": "integer", "description": "The line to start at"},
        "limit": {"type": "integer", "description": "How many lines to read"},
    }
    schema = {"type": "object", "properties": properties, "required": ["path"], "additionalProperties": False}
    return {
        "name": f"tool_{number}",
        "description": "Reads a file of the project and returns its lines with their numbers. " * 7,
        "input_schema": schema,
    }
