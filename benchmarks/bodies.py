"""The requests that clients send: a small one, an agent's in mid-work, and one with a megabyte of files in it."""

from __future__ import annotations

import msgspec

SYSTEM = "You are a careful assistant who answers in short sentences. "
LINE = "        return self.answer(question) if question else None  # line %d\n"
TOOLS = 18
TURNS = 25

Json = dict[str, object]


def small() -> Json:
    """0.9 KB: a prompt, and the third turn of a chat."""
    return {
        "max_tokens": 1024,
        "system": SYSTEM * 5,
        "messages": [
            _user("Hello, tell me about foxes."),
            {"role": "assistant", "content": [{"type": "text", "text": "Foxes are small mammals of the dog family."}]},
            _user('More, please: what do they eat, and who said "quick"? Caf\u00e9 included. ' * 4),
        ],
    }


def agent() -> Json:
    """60 KB: 18 tools and 51 messages, as a coding agent sends them with each turn."""
    return _agent(lines=16, prompt=130)


def large() -> Json:
    """1 MB: the same with longer files."""
    return _agent(lines=575, prompt=130)


BODIES = {"small": small, "agent": agent, "large": large}


def encode(name: str, model: str, *, stream: bool) -> bytes:
    """A body as it travels, for a model."""
    return msgspec.json.encode({"model": model, "stream": stream, **BODIES[name]()})


def _agent(*, lines: int, prompt: int) -> Json:
    file = "".join(LINE % line for line in range(lines))
    messages: list[Json] = [_user("Find out why the answer is missing, and mend it. " * 4)]
    for turn in range(TURNS):
        call = {"path": f"/srv/project/src/module_{turn}.py", "offset": turn * 40, "limit": lines}
        id = f"toolu_{turn:024d}"
        said = {"type": "text", "text": "I read the next file to see who calls it."}
        use = {"type": "tool_use", "id": id, "name": f"tool_{turn % TOOLS}", "input": call}
        result = {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": file}]}
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
