"""What the source must not hold, however a test is written."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "llm_to_anthropic"
FILES = {str(path.relative_to(SOURCE)): path.read_text() for path in sorted(SOURCE.rglob("*.py"))}
_SECRET = re.compile(r"reveal\(\)|(?<!hex)digest\b")
_DIALS = re.compile(
    r"create_connection|open_connection\(|sock_connect|urlopen|http\.client|import requests|socket\.socket\("
)
_MAY_DIAL = ("upstream/", "scripted/", "credentials/", "cli/", "http/listening.py")


@pytest.mark.parametrize("word", ["CERT_NONE", "check_hostname = False", "verify=False", "_create_unverified_context"])
def test_tls_is_never_unverified(word: str) -> None:
    """No line switches the verification of certificates off."""
    assert [name for name, text in FILES.items() if word in text] == []


def _compared(text: str) -> list[str]:
    """The comparisons by == and != of a module, as source."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Compare)]
    return [ast.unparse(node) for node in nodes if any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)]


def test_keys_are_not_compared_by_equality() -> None:
    """What a client presents is compared in constant time: no == has a revealed secret or a digest beside it."""
    found = {name: [one for one in _compared(text) if _SECRET.search(one)] for name, text in FILES.items()}
    assert {name: hits for name, hits in found.items() if hits} == {}
    assert "hmac.compare_digest" in FILES["http/access.py"]


def test_connections_are_opened_in_one_place() -> None:
    """Only the upstream client dials, so that its rules hold for all."""
    places = {name for name, text in FILES.items() if _DIALS.search(text)}
    assert [name for name in places if not name.startswith(_MAY_DIAL)] == []
