"""A release waits for an audit of its dependencies: a fresh one, of its own lock, without findings."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from verification.audit import Finding, NotAudited, Report, kept_at, lock_hash, pins, problems, report

LOCK = """\
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{0}
    # via click
click==8.4.0 \\
    --hash=sha256:{0}
""".format("0" * 64)
DAY = date(2026, 3, 1)
CLEAN = Report(DAY, lock_hash(LOCK))
WEAK = Finding("click", "8.4.0", "PYSEC-2026-1", ("8.4.1",))


def audit(*dependencies: dict[str, object]) -> bytes:
    """What pip-audit writes."""
    return json.dumps({"dependencies": dependencies, "fixes": []}).encode()


def clean(name: str, version: str) -> dict[str, object]:
    return {"name": name, "version": version, "vulns": []}


COLORAMA = clean("colorama", "0.4.6")
CLICK = clean("click", "8.4.0")


@pytest.mark.parametrize(
    ("kept", "lock", "days", "told"),
    [
        pytest.param(CLEAN, LOCK, 0, [], id="of today"),
        pytest.param(CLEAN, LOCK, 14, [], id="two weeks old"),
        pytest.param(CLEAN, LOCK, 15, ["the audit is of 2026-03-01, 14 days are permitted: make audit"], id="older"),
        pytest.param(CLEAN, LOCK, -1, ["the audit is of 2026-03-01, 14 days are permitted: make audit"], id="future"),
        pytest.param(CLEAN, LOCK + "#", 0, ["the audit is of another lock: make audit"], id="another lock"),
        pytest.param(None, LOCK, 0, ["there is no audit: make audit"], id="none"),
        pytest.param(
            Report(DAY, lock_hash(LOCK), (WEAK,)),
            LOCK,
            0,
            ["click 8.4.0 has PYSEC-2026-1, mended in 8.4.1"],
            id="a finding",
        ),
    ],
)
def test_a_release_waits_for_a_good_audit(kept: Report | None, lock: str, days: int, told: list[str]) -> None:
    """Age, lock and findings are judged, each problem in words; nothing is fetched."""
    assert problems(kept, lock, DAY + timedelta(days=days)) == told


def test_all_of_the_lock_is_looked_up() -> None:
    """What other systems alone install is looked up as well."""
    assert pins(LOCK) == "colorama==0.4.6\nclick==8.4.0\n"


def test_findings_are_kept(tmp_path: Path) -> None:
    """What pip-audit finds is kept with the day and the lock, and is the same when it is read again."""
    vulnerable = {**CLICK, "vulns": [{"id": WEAK.id, "fix_versions": list(WEAK.mended_in), "aliases": ["CVE-1"]}]}
    made = report(audit(COLORAMA, vulnerable), LOCK, DAY)
    assert made == Report(DAY, lock_hash(LOCK), (WEAK,))
    (tmp_path / "audit.json").write_bytes(msgspec.json.encode(made))
    assert kept_at(tmp_path / "audit.json") == made
    assert kept_at(tmp_path / "none.json") is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (audit(CLICK), "not looked up colorama"),
        (audit(COLORAMA, {"name": "click", "skip_reason": "Dependency not found"}), "not looked up click"),
        (audit(COLORAMA, clean("click", "8.3.0")), "not looked up click"),
        (b"", "no report"),
    ],
    ids=["left out", "skipped", "another version", "nothing"],
)
def test_what_was_not_looked_up_is_no_audit(said: bytes, told: str) -> None:
    """A database that does not know a distribution, or cannot be reached, has not cleared it."""
    with pytest.raises(NotAudited, match=told):
        report(said, LOCK, DAY)
