"""`health`: exit codes, where it looks, how fast it is."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec
import pytest

from llm_to_anthropic.cli.health import DEFAULT_HOST, DEFAULT_PORT
from llm_to_anthropic.scripted import Script, ScriptedUpstream, whole
from llm_to_anthropic.settings import Settings
from tests.running import run_command, running_proxy

KEY = {"OPENAI_API_KEY": "test-key"}


async def test_running_proxy_is_well(tmp_path: Path) -> None:
    """A proxy that serves gives exit code 0, alive and ready."""
    async with running_proxy(cwd=tmp_path, env=KEY) as proxy:
        assert (await run_command("health", "--url", proxy.url, cwd=tmp_path)).code == 0
        assert (await run_command("health", "--ready", "--url", proxy.url, cwd=tmp_path)).code == 0


async def test_proxy_without_any_key_lives_but_is_not_ready(tmp_path: Path) -> None:
    """Where no provider has a key the proxy lives, and `--ready` says why it cannot serve."""
    async with running_proxy(cwd=tmp_path) as proxy:
        assert (await run_command("health", "--url", proxy.url, cwd=tmp_path)).code == 0
        unready = await run_command("health", "--ready", "--url", proxy.url, cwd=tmp_path)
    assert unready.code == 1
    assert "503" in unready.err
    assert "OPENAI_API_KEY" in unready.err


async def test_absent_proxy_exits_1(tmp_path: Path) -> None:
    """Where nothing listens the exit code is 1, with a sentence and no traceback."""
    async with ScriptedUpstream() as gone:
        url = gone.url
    result = await run_command("health", "--url", url, cwd=tmp_path)
    assert result.code == 1
    assert url in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("url", ["http://proxy..example:8082", "http://127.0.0.1:1/caf\u00e9"])
async def test_url_that_cannot_be_asked_exits_1(tmp_path: Path, url: str) -> None:
    """A host that cannot be a name, or a path that cannot be sent, is a sentence and no traceback."""
    result = await run_command("health", "--url", url, cwd=tmp_path)
    assert result.code == 1
    assert url in result.err
    assert "Traceback" not in result.err


async def test_configuration_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A file that is not there says nothing of where the proxy listens: that it is looked for elsewhere is told."""
    async with running_proxy(cwd=tmp_path, env=KEY) as proxy:
        env = {"SERVER_PORT": proxy.url.rpartition(":")[2]}
        result = await run_command("health", "--config", "missing.toml", cwd=tmp_path, env=env)
    assert result.code == 0
    assert "--config: there is no file" in result.err
    assert "missing.toml" in result.err


def fill_outputs() -> None:
    """Whatever is written to standard output or error finds no room."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    os.dup2(full, 2)


@pytest.mark.parametrize("unbuffered", ["1", ""], ids=["unbuffered", "buffered"])
@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
async def test_full_disk_changes_nothing_of_the_exit_code(
    tmp_path: Path, unbuffered: str, status: int, code: int
) -> None:
    """Where the words cannot be written down the exit code tells all the same whether the proxy is well."""
    async with ScriptedUpstream(lambda _request: whole({"status": "as asked"}, status=status)) as upstream:
        env = {"PYTHONUNBUFFERED": unbuffered}
        result = await run_command("health", "--url", upstream.url, cwd=tmp_path, env=env, first=fill_outputs)
    assert result.code == code


async def test_answer_that_is_no_http_exits_1(tmp_path: Path) -> None:
    """A port where something else than HTTP is spoken is no healthy proxy."""

    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail is ready\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        result = await run_command("health", "--url", f"http://127.0.0.1:{port}", cwd=tmp_path)
    assert result.code == 1
    assert "Traceback" not in result.err


@pytest.mark.parametrize("status", [200, 404])
async def test_answer_of_another_program_exits_1(
    tmp_path: Path, script: Script, upstream: ScriptedUpstream, status: int
) -> None:
    """A web page at the proxy's port, whatever its status, is no healthy proxy, and is not printed."""
    script.push(whole(b"<html>\nwelcome</html>", status=status, headers=(("content-type", "text/html"),)))
    result = await run_command("health", "--url", upstream.url, cwd=tmp_path)
    assert result.code == 1
    assert f"answers {status}: not as this proxy does" in result.err
    assert "welcome" not in result.err


@pytest.mark.parametrize(
    ("arguments", "variable", "file"),
    [
        pytest.param(["--port", "{port}", "health"], "", "", id="flag"),
        pytest.param(["health"], "{port}", "", id="environment"),
        pytest.param(["health"], "", "server_port = {port}", id="file"),
    ],
)
async def test_looks_where_the_proxy_listens(
    tmp_path: Path, script: Script, upstream: ScriptedUpstream, *, arguments: list[str], variable: str, file: str
) -> None:
    """Without --url it asks the port that is configured here."""
    script.push(whole({"status": "ok"}))
    port = str(upstream.port)
    (tmp_path / "llm-to-anthropic.toml").write_text(file.format(port=port))
    env = {"SERVER_PORT": variable.format(port=port)} if variable else {}
    result = await run_command(*(each.format(port=port) for each in arguments), cwd=tmp_path, env=env)
    assert result.code == 0
    assert [request.path for request in upstream.requests] == ["/health"]


@pytest.mark.parametrize("host", ["[127.0.0.1]", "*"])
async def test_reads_the_host_as_the_proxy_does(
    tmp_path: Path, script: Script, upstream: ScriptedUpstream, host: str
) -> None:
    """Every spelling of a host that the proxy takes is asked as well."""
    script.push(whole({"status": "ok"}))
    env = {"SERVER_HOST": host, "SERVER_PORT": str(upstream.port)}
    assert (await run_command("health", cwd=tmp_path, env=env)).code == 0


def test_default_address_is_the_servers() -> None:
    """It looks where an unconfigured proxy listens."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    assert (defaults["host"], defaults["port"]) == (DEFAULT_HOST, DEFAULT_PORT)


@pytest.mark.parametrize("url", ["127.0.0.1:8082", "ftp://127.0.0.1", "http://", "http://127.0.0.1:many"])
async def test_what_is_no_url_exits_2(tmp_path: Path, url: str) -> None:
    """What is no URL is wrong usage, said with an example of one."""
    result = await run_command("health", "--url", url, cwd=tmp_path)
    assert result.code == 2
    assert "http://127.0.0.1:8082" in result.err


async def test_port_that_is_none_exits_2(tmp_path: Path) -> None:
    """A SERVER_PORT that is no number is a configuration error, not a sick proxy."""
    result = await run_command("health", cwd=tmp_path, env={"SERVER_PORT": "many"})
    assert result.code == 2
    assert "SERVER_PORT" in result.err


async def test_health_loads_no_server(tmp_path: Path) -> None:
    """It loads neither server nor schema, which is what keeps it fast: the best of five takes under 400 ms."""
    async with ScriptedUpstream(lambda _request: whole({"status": "ok"})) as upstream:
        times = []
        for _ in range(5):
            started = time.monotonic()
            assert (await run_command("health", "--url", upstream.url, cwd=tmp_path)).code == 0
            times.append(time.monotonic() - started)
        code = (
            "import sys\n"
            "from llm_to_anthropic.cli.main import main\n"
            f"main(['health', '--url', '{upstream.url}'], standalone_mode=False)\n"
            "print([name for name in ('uvicorn', 'structlog', 'asyncio') if name in sys.modules])"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "[]"
    assert min(times) < 0.4
