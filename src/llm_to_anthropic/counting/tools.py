"""Writes tools as a model reads them: OpenAI's templates declare functions in TypeScript, most others show JSON.

Source of the TypeScript form: the harmony format as openai publishes it for gpt-oss.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llm_to_anthropic.wire.anthropic import Tool

MAX_DEPTH = 24
"""Schemas nested deeper are shown as JSON."""


def typescript(tool: Tool) -> str:
    """A tool as a TypeScript type with its description as comment."""
    schema = _decode(tool.input_schema)
    fields = _fields(schema, 0)
    body = f"(_: {{\n{fields}}}) => any" if fields else "() => any"
    text = f"{_comment(tool.description)}type {tool.name or tool.type} = {body};\n\n"
    definitions = schema.get("$defs") or schema.get("definitions")
    return text + _json(definitions) if definitions else text


def json_text(tool: Tool) -> str:
    """A tool as the compact JSON of a Chat Completions function."""
    schema = bytes(tool.input_schema).decode("utf-8", "replace") or "{}"
    return f'{{"name":{_json(tool.name)},"description":{_json(tool.description or "")},"parameters":{schema}}}'


def _decode(raw: Raw) -> dict[str, object]:
    if not raw:
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        # Nothing to refuse in counting: what is no object, or nested without end, is counted as its text.
        return {"properties": {}, "$defs": bytes(raw).decode("utf-8", "replace")}


def _fields(schema: dict[str, object], depth: int) -> str:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return ""
    required = schema.get("required")
    names = required if isinstance(required, list) else []
    return "".join(_field(name, value, depth, required=name in names) for name, value in properties.items())


def _field(name: str, value: object, depth: int, *, required: bool) -> str:
    schema = value if isinstance(value, dict) else {}
    default = f" // default: {_json(schema['default'])}" if "default" in schema else ""
    mark = "" if required else "?"
    return f"{_comment(schema.get('description'))}{name}{mark}: {_type(schema, depth + 1)},{default}\n"


def _type(schema: object, depth: int) -> str:
    if not isinstance(schema, dict):
        return "any"
    if depth > MAX_DEPTH:
        return _json(schema)
    for key in ("enum", "anyOf", "oneOf"):
        if isinstance(options := schema.get(key), list):
            return " | ".join(_json(option) if key == "enum" else _type(option, depth + 1) for option in options)
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return _plain_type(schema, depth)


def _plain_type(schema: dict[str, object], depth: int) -> str:
    match schema.get("type"):
        case "array":
            return _type(schema.get("items"), depth + 1) + "[]"
        case "object" if fields := _fields(schema, depth):
            return f"{{\n{fields}}}"
        case list() as kinds:
            return " | ".join(_plain_type({**schema, "type": kind}, depth + 1) for kind in kinds)
        case str() as kind:
            return "number" if kind == "integer" else kind
        case _:
            return "any"


def _comment(text: object) -> str:
    if not isinstance(text, str) or not text:
        return ""
    lines = "\n// ".join(text.splitlines())
    return f"// {lines}\n"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode("utf-8", "replace")
