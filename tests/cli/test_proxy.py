"""`proxy`: start-up, what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from llm_to_anthropic.cli.proxy import paste_lines, startup_text
from llm_to_anthropic.providers.provider import Credential, Provider, Secret
from llm_to_anthropic.settings import ClientKey, Settings
from tests.running import COMMAND, clean_environment, run_command, running_proxy

KEY = {"OPENAI_API_KEY": "test-key"}


def settings(
    *, client_keys: tuple[str, ...] = (), aliases: Mapping[str, tuple[str, ...]] | None = None, big_model: str = ""
) -> Settings:
    openai = Provider(
        name="openai",
        protocol="openai_chat",
        base_url="http://127.0.0.1:1/v1",
        credential=Credential(key=Secret("test-key"), variable="OPENAI_API_KEY"),
    )
    anthropic = Provider(
        name="anthropic",
        protocol="anthropic",
        base_url="http://127.0.0.1:1",
        credential=Credential(variable="ANTHROPIC_API_KEY"),
    )
    return Settings(
        providers={"openai": openai, "anthropic": anthropic},
        aliases=aliases or {},
        big_model=big_model,
        client_keys=tuple(ClientKey(secret=Secret(key)) for key in client_keys),
    )


def test_startup_text_shows_url_and_mapping() -> None:
    """Start-up says where the server is and which model each of Claude's lines becomes."""
    lines = click.unstyle(startup_text(settings(), "http://127.0.0.1:8082")).splitlines()
    assert lines[0].endswith("http://127.0.0.1:8082")
    assert [line.split() for line in lines if "->" in line] == [
        ["haiku", "->", "openai/gpt-4.1-mini"],
        ["sonnet,", "opus,", "fable", "->", "openai/gpt-4.1"],
    ]


def test_startup_text_shows_where_each_line_goes() -> None:
    """A line of Claude's that an alias sends elsewhere stands apart, with its fallbacks."""
    aliased = settings(aliases={"*opus*": ("openai/o3", "openai/gpt-4o")})
    lines = click.unstyle(startup_text(aliased, "http://127.0.0.1:8082")).splitlines()
    assert [" ".join(line.split()) for line in lines if "->" in line] == [
        "haiku -> openai/gpt-4.1-mini",
        "sonnet, fable -> openai/gpt-4.1",
        "opus -> openai/o3, then openai/gpt-4o",
    ]


@pytest.mark.parametrize(("big_model", "window"), [("gpt-5", ["272000"]), ("gpt-4.1", []), ("unheard-of", [])])
def test_claude_code_is_told_of_a_smaller_window(big_model: str, window: list[str]) -> None:
    """Claude Code sums up in time for a model that takes fewer tokens than Claude's do."""
    lines = paste_lines("http://127.0.0.1:8082", settings(big_model=big_model))
    assert [line.partition("CLAUDE_CODE_AUTO_COMPACT_WINDOW=")[2] for line in lines[2:]] == window


def test_paste_lines_without_client_keys() -> None:
    """Without client keys any token does, and the lines can be pasted as they are."""
    assert [line.strip() for line in paste_lines("http://127.0.0.1:8082", settings())] == [
        "export ANTHROPIC_BASE_URL=http://127.0.0.1:8082",
        "export ANTHROPIC_AUTH_TOKEN=any-value",
    ]


def test_client_key_is_never_printed() -> None:
    """A configured client key is named, not shown."""
    text = startup_text(settings(client_keys=("client-key",)), "http://127.0.0.1:8082")
    assert "<one of PROXY_API_KEYS>" in text
    assert "client-key" not in text


@pytest.mark.parametrize("arguments", [("proxy",), ()], ids=["proxy", "bare"])
async def test_starts_and_stops(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The server starts by either name, answers its health check, and exits 0 on SIGTERM."""
    async with running_proxy(*arguments, cwd=tmp_path, env=KEY) as proxy:
        assert b" 200 OK" in await fetch(proxy.url, "/health")
        proxy.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(proxy.process.wait(), 10) == 0


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "dumb"],
)
async def test_colours_are_for_terminals_that_want_them(tmp_path: Path, env: dict[str, str], *, coloured: bool) -> None:
    """On a terminal greeting and log are coloured, unless the environment says that colours are not wanted."""
    terminal, side = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "--host", "127.0.0.1", "--port", "0"),
        cwd=tmp_path,
        env=clean_environment(tmp_path, KEY | env),
        stderr=side,
    )
    os.close(side)
    try:
        greeting = await asyncio.wait_for(asyncio.to_thread(shown_until, terminal, b"ANTHROPIC_AUTH_TOKEN"), 20)
        process.send_signal(signal.SIGHUP)
        logged = await asyncio.wait_for(asyncio.to_thread(shown_until, terminal, b"reloaded"), 10)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(terminal)
    assert (b"\x1b[" in greeting, b"\x1b[" in logged) == (coloured, coloured)


def shown_until(terminal: int, end: bytes) -> bytes:
    shown = b""
    while end not in shown:
        shown += os.read(terminal, 4096)
    return shown


async def test_several_workers_start_and_stop(tmp_path: Path) -> None:
    """Several processes share one port, announce it once, and end together with 0 on SIGTERM."""
    async with running_proxy("--workers", "2", cwd=tmp_path, env=KEY) as proxy:
        assert b" 200 OK" in await fetch(proxy.url, "/health")
        proxy.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(proxy.process.wait(), 10) == 0
    assert proxy.err.count("serves http://") == 1


async def test_interrupt_exits_0(tmp_path: Path) -> None:
    """Ctrl-C ends an idle server with exit code 0 and no traceback."""
    async with running_proxy(cwd=tmp_path, env=KEY) as proxy:
        proxy.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(proxy.process.wait(), 10) == 0
    assert "Traceback" not in proxy.err


async def test_interrupt_before_it_serves_ends_it_quietly(tmp_path: Path) -> None:
    """Ctrl-C while the configuration is read ends the process there and then, as any program that has not begun."""
    os.mkfifo(tmp_path / ".env")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, cwd=tmp_path, env=clean_environment(tmp_path, KEY), stderr=asyncio.subprocess.PIPE
    )
    writer = await asyncio.wait_for(asyncio.to_thread(os.open, tmp_path / ".env", os.O_WRONLY), 20)
    process.send_signal(signal.SIGINT)  # it waits for what its .env says
    _, told = await asyncio.wait_for(process.communicate(), 10)
    os.close(writer)
    assert (process.returncode, told) == (-signal.SIGINT, b"")


async def test_ready_within_a_second(tmp_path: Path) -> None:
    """The server is ready within 1 s of its start (the best of three: the machine may be busy)."""
    times = []
    for _ in range(3):
        started = time.monotonic()
        async with running_proxy(cwd=tmp_path, env=KEY):
            times.append(time.monotonic() - started)
    assert min(times) < 1.0


async def test_port_taken_is_said(tmp_path: Path) -> None:
    """A taken port ends the start with exit code 1 and a sentence that names it, like any error that ends a command."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = await run_command("--host", "127.0.0.1", "--port", port, cwd=tmp_path, env=KEY)
    assert result.code == 1
    assert result.err.startswith(f"error: 127.0.0.1:{port} is taken by another program: ")
    assert result.err.count("\n") == 1


async def test_without_keys_it_warns_and_serves(tmp_path: Path) -> None:
    """Without any key the server starts, says which variables to set, and is not ready."""
    async with running_proxy(cwd=tmp_path) as proxy:
        assert b" 503 " in await fetch(proxy.url, "/health/ready")
    assert "warning: " in proxy.err
    assert "OPENAI_API_KEY" in proxy.err


async def test_no_secret_is_printed(tmp_path: Path) -> None:
    """Neither provider keys nor client keys appear in what a start prints, verbose or not."""
    env = {"OPENAI_API_KEY": "upstream-test-key", "PROXY_API_KEYS": "client-key-one,client-key-two"}
    async with running_proxy("-v", cwd=tmp_path, env=env) as proxy:
        await fetch(proxy.url, "/v1/models")
    assert not [secret for secret in ("upstream-test-key", "client-key-one", "client-key-two") if secret in proxy.err]


async def fetch(url: str, path: str) -> bytes:
    """The whole raw answer to a GET."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
