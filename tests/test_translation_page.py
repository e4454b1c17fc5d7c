"""docs/translation.md: names every field, every block and every loss that the code knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from llm_to_anthropic.errors import error_type
from llm_to_anthropic.wire.anthropic import KnownBlock, MessagesRequest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "translation.md").read_text()
FIRST_CELL = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)
NAMED = {name for cell in FIRST_CELL.findall(PAGE) for name in re.findall(r"`([\w.*]+)`", cell)}
"""Names in the first column of any table."""


@pytest.mark.parametrize("field", [field.name for field in msgspec.structs.fields(MessagesRequest)])
def test_every_request_field_is_told_of(field: str) -> None:
    """Every field of a request that is read stands in a table, with what becomes of it."""
    assert field in NAMED


@pytest.mark.parametrize("block", [str(block.__struct_config__.tag) for block in get_args(KnownBlock)])
def test_every_block_is_told_of(block: str) -> None:
    """Every block of a request that is known stands in a table, with what becomes of it."""
    assert block in NAMED


@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "max_tokens", "stop_sequence", "refusal"])
def test_every_stop_reason_is_told_of(reason: str) -> None:
    """Every stop reason that translated answers have stands in a table, with what leads to it."""
    assert reason in NAMED


@pytest.mark.parametrize(("status", "name"), re.findall(r"\| (\d{3}) `(\w+_error)`", PAGE), ids=str)
def test_error_statuses_have_their_types(status: str, name: str) -> None:
    """Where the page names a status and an error type, they are a pair that answers carry."""
    assert error_type(int(status)) == name


def test_losses_are_up_to_date() -> None:
    """The tables of losses are what the translators report: `make docs` was run."""
    command = [sys.executable, str(ROOT / ".ci" / "losses.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    assert checked.returncode == 0, checked.stdout


def test_every_loss_has_words() -> None:
    """No row of the tables of losses leaves open what becomes of a field."""
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("|")]
    assert [row for row in rows if row[1:2] == ["…"]] == []
