"""The bill of materials names what is installed, with its hashes and licences, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from verification.sbom import LOCK, NAME, bill, licence, read_lock, refused

PINNED = read_lock(LOCK.read_text())
BILL: dict[str, Any] = bill(PINNED)


def test_bill_lists_exactly_the_lock() -> None:
    """Every locked distribution is there once, at its version and with all its hashes."""
    text = LOCK.read_text()
    listed = [f"{one['name']}=={one['version']}" for one in BILL["components"]]
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?(==[\w.!+-]+)", text, re.MULTILINE)
    assert listed == [name + version for name, version in pins]
    hashes = [digest["content"] for one in BILL["components"] for digest in one["hashes"]]
    assert sorted(hashes) == sorted(re.findall(r"sha256:(\w{64})", text))


def test_everything_is_asked_for_by_something() -> None:
    """Each component hangs on the application, directly or not."""
    needed = {one["ref"]: one["dependsOn"] for one in BILL["dependencies"]}
    reached, ahead = set(), [BILL["metadata"]["component"]["bom-ref"]]
    while ahead:
        reference = ahead.pop()
        if reference not in reached:
            reached.add(reference)
            ahead += needed[reference]
    assert reached == set(needed)


def test_bill_is_the_same_for_the_same_lock() -> None:
    """It carries no time and no chance, so that two of them can be compared."""
    assert bill(PINNED) == BILL


@pytest.mark.parametrize("name", [NAME, *(one.name for one in PINNED)])
def test_licence_is_permitted(name: str) -> None:
    """What the core installs may be shipped with anything."""
    assert not refused(licence(name))


@pytest.mark.parametrize(
    "expression", ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "(MIT OR AGPL-3.0) AND MIT", "Proprietary"]
)
def test_other_licences_are_refused(expression: str) -> None:
    """A licence that is not on the list does not pass, alone or among others."""
    assert refused(expression)
