"""Known vulnerabilities of what the core installs: python -m verification.audit --pins | --write | --check.

`--pins` writes what to look up for pip-audit; `--write` takes its JSON and keeps what it found beside the lock;
`--check` judges what is kept, without a network, as a release does: it must be of this lock, of the last 14 days, and
without findings. The exit code is 1 where it is not. `make audit` does the first two.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from verification.sbom import LOCK, ROOT, read_lock

REPORT = ROOT / "requirements" / "audit.json"
MAX_AGE_DAYS = 14


class Finding(msgspec.Struct, frozen=True):
    """A known vulnerability of a locked distribution."""

    name: str
    version: str
    id: str
    mended_in: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """What an audit found, when, and of which lock."""

    audited: date
    lock: str
    """SHA-256 of the lock."""
    findings: tuple[Finding, ...] = ()


class _Vulnerability(msgspec.Struct):
    id: str
    fix_versions: tuple[str, ...] = ()


class _Dependency(msgspec.Struct):
    name: str
    version: str = ""
    vulns: tuple[_Vulnerability, ...] = ()
    skip_reason: str = ""


class _Audit(msgspec.Struct):
    """pip-audit's JSON, as far as it is read."""

    dependencies: tuple[_Dependency, ...]


class NotAudited(Exception):
    """What pip-audit says is no audit of the whole lock."""


def pins(lock: str) -> str:
    """The requirements to look up: all of the lock, also what other systems alone install."""
    return "".join(f"{one.name}=={one.version}\n" for one in read_lock(lock))


def report(audit: bytes, lock: str, today: date) -> Report:
    """What to keep of an audit.

    Raises: NotAudited where it leaves out a distribution: pip-audit calls it a success when its database does not
    know one, or cannot be asked.
    """
    try:
        read = msgspec.json.decode(audit, type=_Audit).dependencies
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise NotAudited("pip-audit has written no report") from None
    looked_up = {(one.name.lower(), one.version) for one in read if not one.skip_reason}
    left_out = [one.name for one in read_lock(lock) if (one.name, one.version) not in looked_up]
    if left_out:
        raise NotAudited(f"pip-audit has not looked up {', '.join(left_out)}")
    findings = [Finding(one.name, one.version, each.id, each.fix_versions) for one in read for each in one.vulns]
    return Report(today, lock_hash(lock), tuple(findings))


def problems(kept: Report | None, lock: str, today: date) -> list[str]:
    """Why a release must wait; empty where it need not."""
    if kept is None:
        return ["there is no audit: make audit"]
    found = [
        f"{one.name} {one.version} has {one.id}, mended in {', '.join(one.mended_in) or 'no version yet'}"
        for one in kept.findings
    ]
    if kept.lock != lock_hash(lock):
        found.append("the audit is of another lock: make audit")
    age_days = (today - kept.audited).days
    if not 0 <= age_days <= MAX_AGE_DAYS:
        found.append(f"the audit is of {kept.audited}, {MAX_AGE_DAYS} days are permitted: make audit")
    return found


def lock_hash(lock: str) -> str:
    return hashlib.sha256(lock.encode()).hexdigest()


def kept_at(file: Path) -> Report | None:
    """The report that is kept in a file."""
    return msgspec.json.decode(file.read_bytes(), type=Report) if file.exists() else None


def _pins() -> int:
    sys.stdout.write(pins(LOCK.read_text()))
    return 0


def _write() -> int:
    try:
        made = report(sys.stdin.buffer.read(), LOCK.read_text(), _today())
    except NotAudited as error:
        sys.stdout.write(f"{error}; nothing was written\n")
        return 1
    REPORT.write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
    sys.stdout.write(f"{REPORT.relative_to(ROOT)}: {len(made.findings)} findings\n")
    return 0


def _check() -> int:
    found = problems(kept_at(REPORT), LOCK.read_text(), _today())
    sys.stdout.write("".join(f"audit: {problem}\n" for problem in found))
    return int(bool(found))


def _today() -> date:
    return datetime.now(UTC).date()


COMMANDS: Mapping[str, Callable[[], int]] = {"--pins": _pins, "--write": _write, "--check": _check}


def main() -> int:
    """Runs one of the commands."""
    command = COMMANDS.get(sys.argv[1] if len(sys.argv) == 2 else "")
    if command is None:
        sys.stderr.write(f"usage: python -m verification.audit {' | '.join(COMMANDS)}\n")
        return 2
    return command()


if __name__ == "__main__":
    sys.exit(main())
