"""No text, however it is made, keeps a regular expression busy: each looks at it about once."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

import llm_to_anthropic

SIZE = 5000
WITHIN_S = 0.05
"""What grows with the square takes seconds for so much; what grows in proportion, a few milliseconds."""
ATOMS = (
    *(
        "a",
        "a ",
        "a, ",
        "a'",
        "A",
        "0",
        "0.",
        "1,",
        "-",
        "_",
        "*",
        "a*",
        "**a",
        ".",
        "a.",
        "a-",
        "/",
        "/a",
        "\\",
        "\\a",
    ),
    *("<", "< ", "(", "[", "{", "}", '"', '""', '"a', '\\"', "'", "`", ":", ": ", "=", "\n", "\r", "\r\n", "\t", " "),
    *("sk-", "sk-a ", "key", "key-", "Bearer ", "org-", "ya29.", "\\ud83d", "\\u", "u0", "é", "\u2028", "px1.o."),
    *("event: ", "data: ", "data: a\n", '"type" ', '"model" ', "/Type", "/Type ", "/Count ", "limit ", "model "),
    *("tokens ", "try again in ", "1h", "1m1s", "retry after 1", "input ", "- at `$", "(byte ", "Expected `", "$a"),
    *("a" * 39 + " ", "a" * 239 + " ", "a" * 1023 + " ", "supports (", "is of only ", "${", "$.a", "['a']", "item "),
)


def _patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Every compiled expression of the package, by module and name; those in tables too."""
    for info in pkgutil.walk_packages(llm_to_anthropic.__path__, "llm_to_anthropic."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            for number, found in enumerate(_found(value)):
                yield f"{info.name.removeprefix('llm_to_anthropic.')}.{name}{number or ''}", found


def _found(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for item in value:
            yield from _found(item)
    elif isinstance(value, dict):
        for item in (*value.keys(), *value.values()):
            yield from _found(item)


PATTERNS = dict(_patterns())


def _hunts(name: str) -> bool:
    """Whether an expression is looked for within texts, and not only held against the whole of one."""
    module, _, own = name.rpartition(".")
    source = inspect.getsource(importlib.import_module(f"llm_to_anthropic.{module}"))
    used = set(re.findall(rf"\b{own}\.(\w+)", source))
    return not used or not used <= {"match", "fullmatch"}


def _busy(pattern: re.Pattern[Any], text: str, *, hunts: bool) -> float:
    """Seconds of the processor for finding all there is."""
    given = text.encode() if isinstance(pattern.pattern, bytes) else text
    began = time.process_time()
    if hunts:
        for _ in pattern.finditer(given):
            pass
    else:
        pattern.match(given)
        pattern.fullmatch(given)
    return time.process_time() - began


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_is_not_kept_busy(name: str) -> None:
    """Searching 5 kB of any repetition takes 50 ms at most."""
    pattern, hunts = PATTERNS[name], _hunts(name)
    for atom in ATOMS:
        text = atom * (SIZE // len(atom)) + "!"
        took = _busy(pattern, text, hunts=hunts)
        assert took < WITHIN_S or _busy(pattern, text, hunts=hunts) < WITHIN_S, f"{atom!r}: {took:.2f} s"


def test_the_patterns_are_found() -> None:
    """The expressions of the whole package are looked at."""
    assert len(PATTERNS) > 60
