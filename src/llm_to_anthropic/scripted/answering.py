"""What the scripted model answers to a question: text, a tool call that fits, or JSON of a schema."""

from __future__ import annotations

import re

import msgspec

from llm_to_anthropic.scripted.line import Line, ToolCall

_QUOTED_CHARS = 200


class Tool(msgspec.Struct, frozen=True):
    name: str
    description: str = ""
    schema: dict[str, object] = {}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, in no protocol's form."""

    text: str = ""
    tools: tuple[Tool, ...] = ()
    forced: bool = False
    """The model must call a tool."""
    tool_result: str | None = None
    """The result of the tool `called`, where the last message brought one."""
    called: str = ""
    schema: dict[str, object] | None = None
    """The answer must be JSON of this schema."""
    turn: int = 1
    """Tool calls so far, and one: makes the next call's id its own."""
    input_tokens: int = 0


def answer_line(question: Question) -> Line:
    """The model's turn."""
    if question.tool_result is not None:
        return Line(text=_tell(question.called, question.tool_result), input_tokens=question.input_tokens)
    if question.schema is not None:
        return Line(text=_json(_example(question.schema, question.text)), input_tokens=question.input_tokens)
    tool = next((tool for tool in question.tools if question.forced or _fits(tool, question.text)), None)
    if tool is not None:
        arguments = _json(_example(tool.schema, question.text))
        call = ToolCall(tool.name, arguments, f"call_scripted_{question.turn}")
        return Line(calls=(call,), input_tokens=question.input_tokens)
    return Line(text=_greet(question.text), input_tokens=question.input_tokens)


def _tell(tool: str, result: str) -> str:
    return f"I asked {tool or 'the tool'} and it says: {result[:_QUOTED_CHARS]}"


def _greet(text: str) -> str:
    asked = " ".join(text.split())[:_QUOTED_CHARS]
    return (
        f'You said: "{asked}". This answer was written by a script, not by a model, '
        "but it travelled over a real upstream protocol to reach you. Set a provider's key and ask again!"
    )


def _fits(tool: Tool, text: str) -> bool:
    """A tool fits a question that says what its name reads: `get_weather` and "weather".

    Tools of other verbs (Bash, Write) are called only when forced: a script must not run a person's sentence.
    """
    verb = re.match(r"(?i)(?:get|find|search|list|fetch|query)[_-]?", tool.name)
    if verb is None:
        return False
    nouns = re.findall(r"[a-z]{4,}|[A-Z][a-z]{3,}", tool.name[verb.end() :])
    return any(re.search(rf"\b{noun.lower()}\b", text.lower()) for noun in nouns)


def _example(schema: dict[str, object], text: str) -> object:
    """A value that the schema allows, with the question's last name or the question itself as its strings."""
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    match schema.get("type"):
        case "object" | None:
            return {name: _example(inner, text) for name, inner in _required(schema)}
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return []
        case "null":
            return None
        case _:
            names = re.findall(r"(?<!^)(?<![.!?] )\b[A-Z]\w+", text)
            return names[-1] if names else text[:_QUOTED_CHARS]


def _required(schema: dict[str, object]) -> list[tuple[str, dict[str, object]]]:
    properties = schema.get("properties")
    required = schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return []
    return [(str(name), properties[name]) for name in required if isinstance(properties.get(name), dict)]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
