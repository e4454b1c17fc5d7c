"""What tests leave behind fails them: each kind of leak is tried in a test run of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytest_plugins = ["pytester"]

LEAKY = """
import asyncio, socket, threading
kept, gate = [], threading.Event()

async def test_socket():
    kept.append(socket.socket())

async def test_task():
    kept.append(asyncio.create_task(asyncio.sleep(60)))

async def test_thread():
    kept.append(threading.Thread(target=gate.wait, args=(20,), daemon=True))
    kept[-1].start()

async def test_unclosed():
    socket.socket()

async def test_tidy():
    socket.socket().close()
"""


def test_leaks_fail_their_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that leaves a socket, a task or a thread, or drops what is open, fails and is told; a tidy one passes."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(LEAKY)
    options = ["-p", "tests.leaks", "-p", "no:cacheprovider", "-W", "error", "-o", "asyncio_mode=auto"]
    result = pytester.runpytest_subprocess(*options, "-o", "asyncio_default_fixture_loop_scope=function")
    told = [f"*E *{words}*" for words in ("1 open sockets", "left tasks", "left threads", "ResourceWarning")]
    result.stdout.fnmatch_lines(told)
    failed = {line.split()[1].partition("::")[2] for line in result.outlines if line.startswith(("ERROR ", "FAILED "))}
    assert failed == {"test_socket", "test_task", "test_thread", "test_unclosed"}
