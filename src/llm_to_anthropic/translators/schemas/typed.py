"""Schemas in which each part names its type, and nothing but words stands beside a choice; no references.

Moonshot takes no other. Takes any schema: it is written out (inlining.py) first. What that form cannot say is said
in the description. Source: github.com/MoonshotAI/walle, docs/walle.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from msgspec import Raw

from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.translators.schemas.inlining import (
    MAX_INLINED,
    MAX_LEVELS,
    MAX_REMEMBERED_BYTES,
    SPARINGLY,
    Inliner,
)
from llm_to_anthropic.translators.schemas.merging import as_one_object, both, branches_of, with_note
from llm_to_anthropic.translators.schemas.schema import (
    COMBINED,
    UNIONS,
    Schema,
    decoded_schema,
    is_leaf,
    is_schema,
    listed_in,
    names_in,
    properties_of,
    those_in,
    type_of,
    without,
)

MAX_INLINED_IN_ALL = 2000
"""Once this many references of all tools are written out, those of each further tool are only sparingly."""

_WORDS = frozenset({"title", "description"})
_OF_KIND: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties", "minProperties", "maxProperties"}),
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "number": frozenset({"minimum", "maximum", "multipleOf"}),
    "integer": frozenset({"minimum", "maximum", "multipleOf"}),
    "boolean": frozenset(),
    "null": frozenset(),
}
_OF_OTHERS: Mapping[str, frozenset[str]] = {
    kind: frozenset(key for keys in _OF_KIND.values() for key in keys) - own for kind, own in _OF_KIND.items()
}
_UNIONS = frozenset(UNIONS)
_CHOICES = frozenset(COMBINED)
_STRUCTURAL = frozenset({"properties", "items", "additionalProperties"})
_ANY = ("string", "number", "boolean", "object", "array", "null")
_UNTOLD = frozenset(
    {"default", "example", "examples", "deprecated", "readOnly", "writeOnly", "nullable", "type", "enum"}
)
_KNOWN = frozenset((*_WORDS, *_UNTOLD, *(key for keys in _OF_KIND.values() for key in keys)))


class TypedSchema(msgspec.Struct, frozen=True):
    """A schema, and what it took to write it out."""

    schema: Raw
    cut: bool = False
    """It is deeper, or refers to itself more often, than is written out."""
    inlined: int = 0


def typed_schema(raw: Raw, path: str, *, sparing: bool = False) -> TypedSchema:
    """`path` is for the error; `sparing`: other tools have taken the time for references. Raises ClientError."""
    data = bytes(raw)
    if len(data) > MAX_REMEMBERED_BYTES:
        return _typed_schema(data, path, sparing)
    return _remembered(data, path, sparing)


def _typed_schema(data: bytes, path: str, sparing: bool) -> TypedSchema:  # noqa: FBT001  cached
    inliner = Inliner(decoded_schema(Raw(data), path), most=SPARINGLY if sparing else MAX_INLINED)
    plain = inliner.plain()
    return TypedSchema(raw_json(_typed(plain, 0)), inliner.cut, inliner.inlined)


_remembered = lru_cache(maxsize=512)(_typed_schema)


def _typed(node: Schema, level: int) -> Schema:
    if level > MAX_LEVELS:
        return {**_words(node), "type": "string"}
    if is_leaf(node):
        return {"type": node["type"], **_words(node)}
    if "properties" in node and not _CHOICES.isdisjoint(node):
        node = as_one_object(node)
    branches = _branches(node)
    if len(branches) == 1:
        return _of_one_kind({**branches[0], **_words(node)}, level)
    return {**_words(node), "anyOf": [_typed(branch, level + 1) for branch in branches]}


def _branches(node: Schema) -> list[Schema]:
    """What a schema chooses from: one branch for each alternative, or for each type."""
    if _UNIONS.isdisjoint(node):
        return [_only(node, kind) for kind in _kinds(node)]
    rest = without(node, *UNIONS, *_WORDS)
    chosen = branches_of(node)
    if len(chosen) == 1:
        return _branches(both(chosen[0], rest))
    if chosen:
        # In the first alone: were they in each, nested choices would grow without end.
        others = without(rest, *_STRUCTURAL)
        return [both(branch, others if n else rest) for n, branch in enumerate(chosen)]
    return [_only(rest, kind) for kind in _kinds(node)]


def _kinds(node: Schema) -> list[str]:
    """The types that a schema names, else those that it speaks of."""
    named = node.get("type")
    listed = named if isinstance(named, list) else [named]
    found = [kind for kind in listed if isinstance(kind, str) and kind in _OF_KIND]
    if found:
        return list(dict.fromkeys(found))
    if values := listed_in(node, "enum"):
        return list(dict.fromkeys(map(type_of, values)))
    spoken = [kind for kind in ("object", "array") if not _OF_KIND[kind].isdisjoint(node)]
    return spoken or list(_ANY)


def _only(node: Schema, kind: str) -> Schema:
    """What a schema says of values of one type."""
    others = _OF_OTHERS[kind]
    own: Schema = {key: value for key, value in node.items() if key not in others and key not in _WORDS}
    own["type"] = kind
    if isinstance(values := node.get("enum"), list):
        fitting = [value for value in values if type_of(value) in (kind, "integer" if kind == "number" else kind)]
        own = without(own, "enum") | ({"enum": fitting} if fitting else {})
    return own


def _of_one_kind(node: Schema, level: int) -> Schema:
    if isinstance(node.get("type"), list) or any(isinstance(node.get(key), list) for key in UNIONS):
        return _typed(node, level + 1)
    result: Schema = {key: value for key, value in node.items() if key in _KNOWN and key != "nullable"}
    rest = {} if len(result) == len(node) else {key: value for key, value in node.items() if key not in _KNOWN}
    if isinstance(result.get("default"), list | dict):
        del result["default"]
    if is_schema(properties := result.get("properties")):
        result["properties"] = {
            name: _typed(inner if is_schema(inner) else {}, level + 1) for name, inner in properties.items()
        }
    known = properties_of(result)
    if required := those_in(names_in(result.pop("required", None)), known):
        result["required"] = required
    for key in ("items", "additionalProperties"):
        if is_schema(inner := result.pop(key, None)) and inner:
            result[key] = _typed(inner, level + 1)
        elif isinstance(inner, bool) and key != "items":
            result[key] = inner
    return with_note(result, _told(rest)) if rest else result


def _told(rest: Schema) -> str:
    return f"JSON schema: {msgspec.json.encode(rest, order='sorted').decode()[:1000]}"


def _words(node: Schema) -> Schema:
    return {key: node[key] for key in ("title", "description") if isinstance(node.get(key), str)}
