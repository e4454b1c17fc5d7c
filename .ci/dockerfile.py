"""Reads the Dockerfile and carries its build out in a folder, where there is no container to build one in.

Only the instructions and forms that our own Dockerfile uses are known; any other is an error.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import string
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TOLD_ONLY = frozenset({"LABEL", "EXPOSE", "STOPSIGNAL"})
STEP_TIMEOUT_S = 120


@dataclass
class Image:
    """What the last stage says of the container, its paths below `root`."""

    root: Path
    workdir: Path
    env: dict[str, str] = field(default_factory=dict)
    user: int = 0
    group: int = 0
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction's name and the rest of its line, continuation lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


class Builder:
    """Carries out the instructions in order: absolute paths below /opt and /etc lie below `root` instead."""

    def __init__(self, context: Path, root: Path, env: Mapping[str, str]) -> None:
        self.image = Image(root, root)
        self._context = context
        self._outer = dict(env)

    def build(self, text: str) -> Image:
        for name, rest in instructions(text):
            self._carry_out(name, rest)
        return self.image

    def _carry_out(self, name: str, rest: str) -> None:
        image = self.image
        match name:
            case "FROM":
                self.image = Image(image.root, image.root, env=dict(self._outer))
            case "ARG" | "ENV":
                self._set(rest)
            case "WORKDIR":
                image.workdir = Path(self._moved(rest))
                image.workdir.mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(rest.split())
            case "RUN":
                self._run(rest)
            case "USER":
                image.user, image.group = map(int, rest.split(":"))
            case "HEALTHCHECK":
                image.healthcheck = json.loads(rest.partition("CMD ")[2])
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "CMD":
                image.command = json.loads(rest)
            case _ if name not in TOLD_ONLY:
                raise SystemExit(f"Dockerfile: {name} is not known to .ci/dockerfile.py")

    def _moved(self, text: str) -> str:
        return re.sub(r"(?<![\w./-])/(opt|etc)/", rf"{self.image.root}/\1/", text)

    def _set(self, rest: str) -> None:
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            self.image.env[name] = string.Template(self._moved(value)).safe_substitute(self.image.env)

    def _copy(self, words: list[str]) -> None:
        *sources, target = words
        if sources[0].startswith("--from="):
            if sources[1:] != [target]:
                raise SystemExit("Dockerfile: what one stage hands to the next must keep its place")
            return
        for source in sources:
            place = self.image.workdir / (target if len(sources) == 1 and target != "./" else source)
            if (self._context / source).is_dir():
                shutil.copytree(self._context / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(self._context / source, place)

    def _run(self, rest: str) -> None:
        subprocess.run(  # noqa: S603  our own Dockerfile
            ["/bin/sh", "-euc", self._moved(rest)],
            cwd=self.image.workdir,
            env=self.image.env,
            check=True,
            timeout=STEP_TIMEOUT_S,
        )
