"""`demo`: what a user sees in the first minute."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from llm_to_anthropic.cli.demo import DEFAULT_PORT
from tests.running import COMMAND, clean_environment, ended, run_command


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `demo --once` prints; it must exit 0."""
    result = asyncio.run(run_command("demo", "--once", "--port", "0", cwd=tmp_path_factory.mktemp("demo")))
    assert result.code == 0, result.err
    assert "Traceback" not in result.err
    return result.out


@pytest.mark.parametrize(
    "shown",
    [
        "1. A whole message",
        "stop reason  end_turn",
        "2. A streamed message",
        "message_stop",
        "3. A tool round trip",
        'get_weather({"city":"Lisbon"})',
        "final text   I asked get_weather and it says: 22 degrees and sunny",
        "from openai/gpt-4.1 ",
        "4. Another model, by OpenAI Responses",
        "from openai/gpt-5-mini ",
    ],
)
def test_demo_shows_each_step(once: str, shown: str) -> None:
    """The demonstration shows a whole message, a stream, a tool round trip, both APIs, and who answered."""
    assert shown in once


async def test_demo_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    """`demo --once | head -1` is no failure of the proxy: it ends without a word once its output is closed."""
    reader, writer = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("demo", "--once", "--port", "0"),
        cwd=tmp_path,
        env=clean_environment(tmp_path, {}),
        stdout=writer,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writer)
    async with ended(process), asyncio.timeout(20):
        said = b""
        while b"1. A whole message" not in said:
            said += await asyncio.to_thread(os.read, reader, 4096)
        os.close(reader)
        _, complaint = await process.communicate()
    assert complaint == b""


async def test_demo_moves_away_from_a_taken_port(tmp_path: Path) -> None:
    """When the usual port is taken, the demonstration says so and takes another."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", DEFAULT_PORT))
            other.listen()
        except OSError:
            pass  # somebody else has it, which serves as well
        result = await run_command("demo", "--once", cwd=tmp_path)
    assert result.code == 0
    assert f"Port {DEFAULT_PORT} is taken" in result.out


async def test_demo_needs_its_explicit_port(tmp_path: Path) -> None:
    """A port that was asked for and is taken is an error, with a sentence."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = await run_command("demo", "--once", "--port", port, cwd=tmp_path)
    assert result.code == 1
    assert port in result.err
    assert "Traceback" not in result.err


async def test_demo_ignores_the_environment(tmp_path: Path) -> None:
    """The demonstration stays on loopback, whatever keys, URLs and proxies the environment names."""
    env = {
        "OPENAI_API_KEY": "test-key",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "PREFERRED_PROVIDER": "nonsense",
    }
    result = await run_command("demo", "--once", "--port", "0", cwd=tmp_path, env=env)
    assert result.code == 0, result.err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
async def test_demo_keeps_running_until_told(tmp_path: Path, name: str) -> None:
    """After the demonstration the server stays, shows lines to try, and ends with 0 when interrupted."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "demo",
        "--port",
        "0",
        cwd=tmp_path,
        env=clean_environment(tmp_path, {}),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with ended(process):
        async with asyncio.timeout(20):
            seen = (await process.stdout.readuntil(b"\n  claude\n")).decode()
        assert "curl http://127.0.0.1:" in seen
        assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:" in seen
        process.send_signal(signal.Signals[name])
        assert await asyncio.wait_for(process.wait(), 10) == 0
