"""docs/reliability.md promises nothing that no test keeps."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:tests|verification|\.ci)/[\w/.]+)(?:::(\w+))?`", PAGE)))
ROWS = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ") and "promise |" not in line]


@pytest.mark.parametrize(("file", "name"), NAMED, ids=["::".join(filter(None, one)) for one in NAMED])
def test_named_tests_exist(file: str, name: str) -> None:
    """Each test that the page names is there."""
    tree = ast.parse((ROOT / file).read_text())
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert not name or name in defined


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip()[:40] for row in ROWS])
def test_every_promise_names_its_test(row: list[str]) -> None:
    """A row tells the promise, how it is kept, the test that watches over it, and a figure where there is one."""
    assert len(row) == 4
    assert "tests/" in row[2] or "verification/" in row[2]
