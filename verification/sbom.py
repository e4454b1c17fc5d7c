"""The bill of materials of a core installation, and a gate for its licences: python -m verification.sbom [--check].

Everything is read from the lock and from what is installed beside it; nothing is fetched. The result is CycloneDX 1.6,
and the same for the same lock: it carries no time. The exit code is 1 where a licence is unknown or not permitted.
Source: cyclonedx.org, specification 1.6; github.com/package-url for `pkg:pypi`.
"""

from __future__ import annotations

import re
import sys
import uuid
from importlib import metadata
from pathlib import Path

import msgspec

import llm_to_anthropic

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "core.txt"
OUT = ROOT / "dist" / "sbom.cdx.json"
NAME = "llm-to-anthropic"

PERMITTED = frozenset(
    ("MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "PSF-2.0", "CNRI-Python", "MPL-2.0", "Unlicense")
)
"""Licences (SPDX) with which the core may be shipped: none asks for the source of what uses it."""
SPOKEN = {
    "MIT License": "MIT",
    "The MIT License": "MIT",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""What distributions write that do not write SPDX."""

_PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)(?:\[[a-z0-9,_-]+\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VIA = re.compile(r"#\s+(?:via )?([A-Za-z0-9][\w.-]*)")

Json = dict[str, object]


class Pinned(msgspec.Struct, frozen=True):
    """One distribution of the lock."""

    name: str
    version: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]
    """Who asks for it."""

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> list[Pinned]:
    """The distributions of a lock, in its order."""
    found = []
    for entry in re.split(r"\n(?=[a-z0-9])", text.strip()):
        pin = _PIN.match(entry)
        if pin is not None:
            via = (name.lower() for name in _VIA.findall(entry))
            found.append(Pinned(pin[1], pin[2], tuple(_HASH.findall(entry)), tuple(name for name in via if name)))
    return found


def licence(name: str) -> str:
    """The licence of an installed distribution in SPDX, as far as it tells; empty where it does not."""
    told = metadata.metadata(name)
    expressions = told.get_all("License-Expression")
    if expressions:
        return str(expressions[0])
    # Some put the whole text there; its title is the first line.
    first = "".join(told.get_all("License") or []).strip().partition("\n")[0].strip()
    if first in SPOKEN or first in PERMITTED:
        return SPOKEN.get(first, first)
    classified = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if line.startswith("License")]
    return " OR ".join(SPOKEN.get(one, one) for one in classified or _titles(name))


def _titles(name: str) -> list[str]:
    """The first lines of the licence files that a distribution brings, where that is all it tells."""
    brought = metadata.distribution(name)
    files = (brought.read_text(f"licenses/{file}") for file in brought.metadata.get_all("License-File") or [])
    return [text.strip().partition("\n")[0].strip() for text in files if text]


def refused(expression: str) -> bool:
    """Whether any part of a licence expression is not permitted."""
    parts = re.split(r"\s+(?:AND|OR)\s+|[()]", expression)
    return not expression or any(part not in PERMITTED for part in map(str.strip, parts) if part)


def bill(pinned: list[Pinned]) -> Json:
    """The bill of materials."""
    root: Json = {
        "type": "application",
        "bom-ref": f"pkg:pypi/{NAME}@{llm_to_anthropic.__version__}",
        "name": NAME,
        "version": llm_to_anthropic.__version__,
        "licenses": [{"expression": licence(NAME)}],
    }
    references = {one.name: one.purl for one in pinned} | {NAME: root["bom-ref"]}
    document: Json = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": [_component(one) for one in pinned],
        "dependencies": [
            {"ref": reference, "dependsOn": [one.purl for one in pinned if name in one.via]}
            for name, reference in references.items()
        ],
    }
    # Its number is made of its content: the same lock is the same bill.
    number = uuid.uuid5(uuid.NAMESPACE_URL, msgspec.json.encode(document).decode())
    return {"bomFormat": document.pop("bomFormat"), "serialNumber": f"urn:uuid:{number}", **document}


def _component(one: Pinned) -> Json:
    return {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
        "licenses": [{"expression": licence(one.name)}],
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in one.hashes],
    }


def main() -> int:
    """Writes the bill, unless `--check`; tells of licences that are not permitted."""
    pinned = read_lock(LOCK.read_text())
    if "--check" not in sys.argv:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_bytes(msgspec.json.format(msgspec.json.encode(bill(pinned))) + b"\n")
        sys.stdout.write(f"{OUT.relative_to(ROOT)}: {len(pinned)} distributions\n")
    bad = {one.name: licence(one.name) or "none told" for one in pinned if refused(licence(one.name))}
    sys.stdout.write("".join(f"licence of {name}: {told} is not permitted\n" for name, told in bad.items()))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
