"""JSON schemas as one: all must hold, or any may. Pure; works on decoded schemas without references.

The work is linear in the size of the schemas: they come from clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from llm_to_anthropic.translators.schemas.schema import (
    NOT_AT_ROOT,
    UNIONS,
    Schema,
    is_schema,
    listed_in,
    names_in,
    properties_of,
    without,
)

MAX_GROUPS = 12
"""More groups of properties are not told in a description."""

_NEARER = frozenset({"description", "title", "default", "example", "examples", "deprecated", "readOnly", "writeOnly"})
_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "dependentRequired"})
_INNER = frozenset({"items", "additionalProperties", "contains", "propertyNames"})
_TIGHTER: Mapping[str, Callable[[float, float], float]] = {
    **dict.fromkeys(("minimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "maxLength", "maxItems", "maxProperties"), min),
}


def both(near: Schema, far: Schema) -> Schema:
    """The schema of what fits `near` and `far`; of texts about the value, those of `near` count.

    What has no common form stays beside the rest under `allOf`.
    """
    merged = dict(near)
    apart: list[object] = []
    for key, value in far.items():
        if key not in merged:
            merged[key] = value
        elif key not in _NEARER and merged[key] != value:
            joined = _joined(key, merged[key], value)
            if joined is None:
                apart.extend(value if key == "allOf" and isinstance(value, list) else [{key: value}])
            else:
                merged[key] = joined
    if apart:
        kept = merged.get("allOf")
        merged["allOf"] = [*(kept if isinstance(kept, list) else ()), *apart]
    return merged


def any_of(schemas: list[object]) -> object:
    """The schema of what fits one of these; lists of constants become one list."""
    choices = distinct(choice for schema in schemas for choice in _choices(schema))
    if len(choices) == 1:
        return choices[0]
    listed = [choice for choice in choices if is_schema(choice) and isinstance(choice.get("enum"), list)]
    rests = [without(choice, "enum") for choice in listed]
    if len(rests) == len(choices) and len(distinct(rests)) == 1:
        values = [value for choice in listed for value in listed_in(choice, "enum")]
        return {**rests[0], "enum": distinct(values)}
    return {"anyOf": choices}


def as_one_object(node: Schema) -> Schema:
    """An object schema whose choices between objects are merged: the properties of all branches, none of them lost.

    Required is what every branch of a choice requires; the description tells which properties belong together.
    """
    merged = without(node, *NOT_AT_ROOT)
    required = names_in(merged.get("required"))
    found: dict[str, list[object]] = {}
    _collect(found, [merged])
    parts = [as_one_object(part) for part in _schemas(node, "allOf")]
    _collect(found, parts)
    items = [part["items"] for part in (merged, *parts) if "items" in part]
    required += [name for part in parts for name in names_in(part.get("required"))]
    for key in UNIONS:
        branches = [as_one_object(branch) for branch in _schemas(node, key)]
        _collect(found, branches)
        items += [branch["items"] for branch in branches if "items" in branch]
        required += required_by_all(branches)
        merged = with_note(merged, _groups(branches))
    properties = {name: any_of(schemas) for name, schemas in found.items()}
    merged |= {"type": "object", "properties": properties}
    if items:
        # No object has items, but a careless schema may name properties in them that its author cares for.
        merged["items"] = any_of(items)
    if required:
        merged["required"] = [name for name in dict.fromkeys(required) if name in properties]
    return merged


def with_note(node: Schema, *notes: str) -> Schema:
    """The schema with more sentences in its description."""
    if not any(notes):
        return node
    said = node.get("description")
    sentences = [said] if isinstance(said, str) and said else []
    sentences += [note for note in notes if note and not (sentences and note in sentences[0])]
    return {**node, "description": " ".join(sentences)} if sentences else node


def distinct(values: Iterable[object]) -> list[object]:
    """JSON values without repetitions, in their order."""
    return list({msgspec.json.encode(value): value for value in values}.values())


def _joined(key: str, near: object, far: object) -> object:
    """One value of a keyword for two that must both hold; None: there is none."""
    if key in _MAPS and is_schema(near) and is_schema(far):
        return {**near, **{name: _both_values(near[name], far[name]) if name in near else far[name] for name in far}}
    if key in _INNER:
        return _both_values(near, far)
    if key == "required":
        return list(dict.fromkeys([*names_in(near), *names_in(far)]))
    if key == "type":
        return _common_types(near, far)
    if key == "enum" and isinstance(near, list) and isinstance(far, list):
        allowed = {msgspec.json.encode(value) for value in far}
        return [value for value in near if msgspec.json.encode(value) in allowed] or None
    if key in _TIGHTER and isinstance(near, int | float) and isinstance(far, int | float):
        return _TIGHTER[key](near, far)
    return None


def _both_values(near: object, far: object) -> object:
    if is_schema(near) and is_schema(far):
        return both(near, far)
    # Not a schema: true, which allows everything, or false, which allows nothing.
    return far if near is True else False if far is False else near


def _common_types(near: object, far: object) -> object:
    ours = near if isinstance(near, list) else [near]
    theirs = far if isinstance(far, list) else [far]
    common = [kind for kind in ours if kind in theirs or (kind == "integer" and "number" in theirs)]
    if not common and "number" in ours and "integer" in theirs:
        common = ["integer"]
    return common[0] if len(common) == 1 else common or None


def _choices(node: object) -> list[object]:
    """What a schema chooses from, if it is a plain choice; else itself."""
    choices = node.get("anyOf") if is_schema(node) and len(node) == 1 else None
    return choices if isinstance(choices, list) else [node]


def branches_of(node: Schema) -> list[Schema]:
    """The schemas that one chooses from."""
    return [branch for key in UNIONS if key in node for branch in _schemas(node, key)]


def _schemas(node: Schema, key: str) -> list[Schema]:
    return [each for each in listed_in(node, key) if is_schema(each)]


def _collect(found: dict[str, list[object]], nodes: list[Schema]) -> None:
    for node in nodes:
        for name, value in properties_of(node).items():
            found.setdefault(name, []).append(value)


def required_by_all(branches: list[Schema]) -> list[str]:
    """The names that every one of the schemas requires."""
    if not branches:
        return []
    first, *others = [dict.fromkeys(names_in(branch.get("required"))) for branch in branches]
    return [name for name in first if all(name in names for names in others)]


def _groups(branches: list[Schema]) -> str:
    groups = list(dict.fromkeys(", ".join(properties_of(branch)) for branch in branches))
    named = [group for group in groups if group]
    if not 1 < len(named) <= MAX_GROUPS:
        return ""
    return f"Give the properties of one of these groups: {'; or '.join(named)}."
