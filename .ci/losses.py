"""Writes the tables of losses into docs/translation.md, out of the translators' own words: losses.py [--check].

A loss is a call of LossReport: `lose` (strict mode refuses), `repair` (strict mode refuses, in Anthropic's words) or
`mention` (told alone). What is only known at run time is written `…`.
"""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "translation.md"
TRANSLATORS = ROOT / "src" / "llm_to_anthropic" / "translators"
BEGIN, END = "<!-- losses: written by `make docs`, not by hand -->\n", "<!-- end of losses -->\n"

PROTOCOLS = {
    "": "Every translated upstream",
    "openai_chat": "OpenAI Chat Completions",
    "openai_responses": "OpenAI Responses",
    "gemini": "Google Gemini",
}
STRICT = {"lose": "refused", "repair": "refused, in Anthropic's wording", "mention": "sent all the same"}

Row = tuple[str, str, str]


def main() -> int:
    """0 where the page is up to date, or was made so; 1 where `--check` finds that it is not."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    wanted = f"{head}{BEGIN}\n{tables()}\n{END}{tail}"
    if "--check" not in sys.argv:
        PAGE.write_text(wanted)
        return 0
    difference = difflib.unified_diff(text.splitlines(), wanted.splitlines(), "docs/translation.md", "make docs")
    sys.stdout.write("\n".join(difference))
    return int(text != wanted)


def tables() -> str:
    """One table per protocol, in the order of PROTOCOLS; protocols without losses are left out."""
    found: dict[str, dict[Row, None]] = {name: {} for name in PROTOCOLS}
    for module in sorted(TRANSLATORS.rglob("*.py")):
        if module.name != "losses.py":
            package = module.parent.name
            found[package if package in PROTOCOLS else ""].update(dict.fromkeys(rows(module)))
    return "\n".join(table(PROTOCOLS[name], list(listed)) for name, listed in found.items() if listed)


def table(title: str, listed: list[Row]) -> str:
    lines = [f"### {title}", "", "| where | what becomes of it | in strict mode |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {where} | {note} | {strict} |" for where, note, strict in sorted(listed)), ""])


def rows(module: Path) -> Iterator[Row]:
    """Place, note and effect of each report in a module."""
    tree = ast.parse(module.read_text())
    known = dict(constants(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=("lose" | "mention" | "repair") as report), args=[path, text, *_]):
                where, note = words(path, known), words(text, known)
                place = "where it stands" if where == "…" else f"`{where}`"
                yield place, note.replace("|", "\\|"), STRICT[report]


def constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))


def words(node: ast.expr, known: dict[str, str]) -> str:
    """The text of an expression, as far as it can be told without running it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return known.get(name, "…")
        case ast.FormattedValue(value=value):
            return words(value, known)
        case ast.JoinedStr(values=values):
            return "".join(words(value, known) for value in values)
        case ast.IfExp(body=one, orelse=other):
            return f"{words(one, known)} / {words(other, known)}"
    return "…"


if __name__ == "__main__":
    sys.exit(main())
