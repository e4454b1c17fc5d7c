"""Runs the command in a process of its own, in an environment that holds nothing of this machine's."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec

COMMAND = (sys.executable, "-m", "llm_to_anthropic")
START_WITHIN_S = 20.0


class Finished(msgspec.Struct, frozen=True):
    """What a command that ended left behind."""

    code: int
    out: str
    err: str


class RunningProxy:
    """A proxy in its own process, ready to serve."""

    def __init__(self, url: str, process: asyncio.subprocess.Process, started: list[str]) -> None:
        self.url = url
        self.process = process
        self._err = started

    @property
    def err(self) -> str:
        """Everything on standard error so far; all of it once the process has ended."""
        return "".join(self._err)

    async def drain(self) -> None:
        """Collects standard error until it ends."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self._err.append(line.decode())


def clean_environment(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Only what a process needs, and the given variables."""
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1", **variables}


async def run_command(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    first: Callable[[], None] | None = None,
) -> Finished:
    """Runs the command to its end. `first` is called in the new process before anything else."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=cwd,
        env=clean_environment(cwd, env or {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=first,
    )
    async with ended(process):
        out, err = await process.communicate(stdin)
    return Finished(process.returncode or 0, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def running_proxy(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    port: int = 0,
    first: Callable[[], None] | None = None,
) -> AsyncIterator[RunningProxy]:
    """Starts the proxy on a port of loopback, by default a free one, and waits until it says where it is.

    `first` is called in the new process before anything else.
    """
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        cwd=cwd,
        env=clean_environment(cwd, env or {}),
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=first,
    )
    async with ended(process):
        seen: list[str] = []
        async with asyncio.timeout(START_WITHIN_S):
            url = await _announced_url(process, seen)
        proxy = RunningProxy(url, process, seen)
        collector = asyncio.create_task(proxy.drain())
        try:
            yield proxy
        finally:
            _kill(process)
            await collector


async def _announced_url(process: asyncio.subprocess.Process, seen: list[str]) -> str:
    assert process.stderr is not None
    url = ""
    # The text is complete, and the server ready, when both lines to paste have been printed.
    while line := (await process.stderr.readline()).decode():
        seen.append(line)
        found = re.search(r"serves (http://\S+)", line)
        url = found[1] if found else url
        if "ANTHROPIC_AUTH_TOKEN" in line:
            return url
    raise AssertionError(f"the proxy did not start: {''.join(seen)}")


def workers_of(pid: int) -> list[int]:
    """The processes that serve for a parent."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.asynccontextmanager
async def ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """However it goes: afterwards the process is no more."""
    try:
        yield
    finally:
        _kill(process)
        await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def exchange(url: str, line: bytes, body: bytes = b"") -> bytes:
    """One request on a connection of its own, and all of its answer."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b"host: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    writer.write(line + b" HTTP/1.1\r\n" + head % len(body) + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer
