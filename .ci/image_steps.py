"""Runs the image's steps without a container: builds what the Dockerfile builds, seals it, and starts it as it would.

Run by .venv/bin/python. What this machine does not permit is said ("skipped: ..."), never passed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

from dockerfile import Builder, Image

from llm_to_anthropic.scripted import Line, Pause, ScriptedUpstream, openai_chat, stream
from llm_to_anthropic.scripted.script import Answer, Request

ROOT = Path(__file__).resolve().parents[1]
UID = 65532
POD_ADDRESS = "10.42.0.7:8082"
"""Probes send the pod's address as their Host."""
PATIENCE_S = 60.0
POLL_S = 0.05

AS_USER = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--bounding-set=-all", "--no-new-privs"]
MOUNTED = ["unshare", "--mount", "sh", "-euc", 'mount --bind /tmp /tmp; mount -o remount,bind,ro /; exec "$@"', "image"]
"""Leaves only /tmp writable."""


def main() -> int:
    """0 where every step did what the image promises; raises where one did not."""
    work = Path(tempfile.mkdtemp(prefix="image-"))
    work.chmod(0o755)
    try:
        prefix = launcher()
        image = build(work)
        seal(work)
        before = listing(work)
        asyncio.run(asyncio.wait_for(live(image, prefix), PATIENCE_S))
        expect(listing(work) == before, "the running image wrote into its own tree")
    finally:
        unseal(work)
        shutil.rmtree(work)
    say("the image's steps are sound")
    return 0


def build(work: Path) -> Image:
    """The Dockerfile's build, in `work`; its `python` is one that the image's user may run."""
    shim = work / "bin" / "python"
    shim.parent.mkdir()
    base = base_python()
    # venvs stand on the base Python, as in the image; pip is the development environment's, told where to install.
    shim.write_text(f'#!/bin/sh\n[ "$2" = venv ] && exec {base} "$@"\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    env = {"PATH": f"{shim.parent}:/usr/local/bin:/usr/bin:/bin", "TMPDIR": tempfile.gettempdir(), "PIP_QUIET": "1"}
    # How this machine reaches its package index is the machine's concern.
    env |= {name: value for name, value in os.environ.items() if name.lower().startswith(("pip_", "http", "no_proxy"))}
    env |= {name: os.environ[name] for name in ("HOME", "SSL_CERT_FILE") if name in os.environ}
    image = Builder(ROOT, work, env).build((ROOT / "Dockerfile").read_text())
    image.env = {name: value for name, value in image.env.items() if name == "PATH" or name not in env}
    expect((image.user, image.group) == (UID, UID), f"the image runs as {image.user}:{image.group}")
    return image


def base_python() -> str:
    """A Python, 3.11 or newer, that others may run; a home directory's is often closed to them."""
    code = "import sys, venv; print(sys.version, sys.base_prefix)"
    candidates = [f"{sys.base_prefix}/bin/python3", "/usr/local/bin/python3", "/usr/bin/python3"]
    others_prefix = AS_USER if os.geteuid() == 0 and works(AS_USER) else []
    for candidate in filter(os.path.exists, candidates):
        own, others = (
            subprocess.run([*prefix, candidate, "-Ic", code], capture_output=True, text=True, check=False)  # noqa: S603
            for prefix in ([], others_prefix)
        )
        version = tuple(map(int, own.stdout.split(".")[:2])) if own.returncode == 0 else (0, 0)
        if version >= (3, 11) and own.stdout == others.stdout:
            return candidate
    raise SystemExit(f"no Python 3.11 or newer here that user {UID} may run: install one below /usr")


def launcher() -> list[str]:
    """What stands before a command so that it runs as in the image, as far as this machine permits it."""
    if os.geteuid() != 0 or not works(AS_USER):
        say(f"skipped: becoming user {UID} needs root and setpriv; running as {os.geteuid()}")
        return []
    if not works(MOUNTED):
        say("skipped: a read-only root file system cannot be mounted here; permissions alone guard it")
        return AS_USER
    return [*MOUNTED, *AS_USER]


def works(prefix: list[str]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0  # noqa: S603
    except FileNotFoundError:
        return False


async def live(image: Image, prefix: list[str]) -> None:
    """Starts the image, probes it, and stops it while a stream runs."""
    line = Line(text="The stream that runs on while its server is told to stop.")
    resume = asyncio.Event()

    def respond(_request: Request) -> Answer:
        first, *rest = openai_chat.chunks(line, "gpt-4.1")
        return stream(first, rest[0], Pause(resume), *rest[1:])

    async with ScriptedUpstream(respond) as upstream, started(image, prefix, upstream.url) as (process, port):
        for path in ("/health", "/health/ready"):
            expect(b" 200 OK" in await exchange(port, f"GET {path}"), f"{path} does not answer 200 to a probe")
        expect(await healthcheck(image, prefix, port) == 0, "the health check fails while the server runs")
        say("probed: /health, /health/ready, health check")
        reader, writer = await send(port, "POST /v1/messages", message())
        await reader.readuntil(b"content_block_delta")
        process.send_signal(signal.SIGTERM)
        await until_closed(port)
        expect(process.returncode is None, "the server ended with a stream still running")
        resume.set()
        rest = await reader.read()
        writer.close()
        expect(b"event: message_stop" in rest, f"the stream did not end well: {rest[-300:]!r}")
        code = await process.wait()
        expect(code == 0, f"exit code {code} after SIGTERM")
        expect(await healthcheck(image, prefix, port) == 1, "the health check passes though nothing runs")
        say("stopped by SIGTERM with a stream running: message_stop, exit code 0")


@contextlib.asynccontextmanager
async def started(
    image: Image, prefix: list[str], upstream: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """The running image and its port: without HOME, its tree closed to it, its root read-only where that can be."""
    port = free_port()
    env = image.env | {
        "OPENAI_API_KEY": "test-key",
        "OPENAI_BASE_URL": f"{upstream}/v1",
        "OPENAI_API": "chat",
        "PROXY_API_KEYS": "client-key",
        "SERVER_PORT": str(port),
    }
    with tempfile.TemporaryFile() as log:
        command = [*prefix, *image.entrypoint, *image.command]
        process = await asyncio.create_subprocess_exec(*command, cwd=image.workdir, env=env, stderr=log)
        try:
            await until_open(process, port, log)
            say(identity(process.pid))
            yield process, port
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        say(f"log: {read(log).splitlines()[-1]}")


async def healthcheck(image: Image, prefix: list[str], port: int) -> int:
    """The exit code of the image's HEALTHCHECK."""
    env = image.env | {"SERVER_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(*prefix, *image.healthcheck, cwd=image.workdir, env=env)
    return await process.wait()


async def until_open(process: asyncio.subprocess.Process, port: int, log: IO[bytes]) -> None:
    while not await accepts(port):
        expect(process.returncode is None, f"the server did not start:\n{read(log)}")
        await asyncio.sleep(POLL_S)


async def until_closed(port: int) -> None:
    while await accepts(port):  # noqa: ASYNC110  another process's port tells nobody when it closes
        await asyncio.sleep(POLL_S)


def identity(pid: int) -> str:
    """Who a process is, where the system tells."""
    status = Path(f"/proc/{pid}/status")
    wanted = ("Uid:", "Gid:", "CapEff:", "NoNewPrivs:")
    lines = status.read_text().splitlines() if status.exists() else []
    return "runs as " + "; ".join(" ".join(line.split()[:2]) for line in lines if line.startswith(wanted))


async def accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def exchange(port: int, line: str) -> bytes:
    reader, writer = await send(port, line)
    try:
        return await reader.read()
    finally:
        writer.close()


async def send(port: int, line: str, body: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Sends a request with the Host of a pod; `line` is its method and path."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [f"{line} HTTP/1.1", f"host: {POD_ADDRESS}", "x-api-key: client-key", "content-type: application/json"]
    head += [f"content-length: {len(body)}", "connection: close", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    return reader, writer


def message() -> bytes:
    question = b'{"role": "user", "content": "Go on."}'
    return b'{"model": "claude-sonnet-5-5", "max_tokens": 64, "stream": true, "messages": [%b]}' % question


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def seal(work: Path) -> None:
    """Nobody may write below `work`, everybody may read."""
    for place in below(work):
        place.chmod(place.stat().st_mode & 0o555 | 0o444 | (0o111 if place.is_dir() else 0))


def unseal(work: Path) -> None:
    for place in below(work):
        if place.is_dir():
            place.chmod(0o755)


def below(work: Path) -> Iterator[Path]:
    """`work` and all below it, links left out: they lead to what is not ours."""
    yield work
    yield from (place for place in list(work.rglob("*")) if not place.is_symlink())


def listing(work: Path) -> list[tuple[str, float]]:
    return sorted((str(place), place.stat().st_mtime) for place in below(work))


def read(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode("utf-8", "replace")


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001  a condition
    if not holds:
        raise SystemExit(f"image: {otherwise}")


def say(text: str) -> None:
    sys.stdout.write(f"image: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
