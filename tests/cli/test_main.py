"""The command line: help, versions, exit codes."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from llm_to_anthropic import __version__
from llm_to_anthropic.cli.main import main
from tests.running import run_command

COMMANDS = ["proxy", "demo", "check", "health", "translate"]


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)], ids=["bare", *COMMANDS])
def test_help_shows_examples(arguments: list[str]) -> None:
    """The help of every command shows how it is used."""
    result = CliRunner().invoke(main, [*arguments, "--help"])
    assert result.exit_code == 0
    assert "Examples:\n" in result.output
    assert f"llm-to-anthropic {' '.join(arguments)}".strip() in result.output


def test_bare_help_names_every_command() -> None:
    """The bare help lists the commands, and says what exit codes mean."""
    output = CliRunner().invoke(main, ["--help"]).output
    assert all(f"\n  {command} " in output for command in COMMANDS)
    assert "Exit codes:" in output


@pytest.mark.parametrize("option", ["--host", "--port", "--config", "--workers", "--verbose"])
def test_bare_command_takes_the_options_of_proxy(option: str) -> None:
    """What `proxy` can be told, the bare command can be told too."""
    assert option in CliRunner().invoke(main, ["--help"]).output
    assert option in CliRunner().invoke(main, ["proxy", "--help"]).output


def test_version() -> None:
    """--version names the program and its version."""
    result = CliRunner().invoke(main, ["--version"])
    assert result.output == f"llm-to-anthropic {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["--port", "99999"],
        ["proxy", "--workers", "none"],
        ["translate"],
        ["demo", "more"],
    ],
    ids=["command", "option", "port-range", "not-a-number", "missing-argument", "extra-argument"],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    """Wrong usage exits 2, with a sentence and no traceback."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert "Traceback" not in result.output


async def test_help_is_fast(tmp_path: Path) -> None:
    """--help answers within 300 ms (the best of five starts: the machine may be busy)."""
    times = []
    for _ in range(5):
        started = time.monotonic()
        assert (await run_command("--help", cwd=tmp_path)).code == 0
        times.append(time.monotonic() - started)
    assert min(times) < 0.3


async def test_help_imports_no_server(tmp_path: Path) -> None:
    """--help loads neither the server nor the configuration, which is what keeps it fast."""
    code = (
        "import sys\n"
        "from llm_to_anthropic.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print([name for name in ('msgspec', 'uvicorn', 'structlog', 'asyncio') if name in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "[]"


async def test_configuration_errors_are_listed(tmp_path: Path) -> None:
    """Every mistake of the configuration is a line of its own; the exit code is 2; no traceback, no secret."""
    env = {"PREFERRED_PROVIDER": "nobody", "SERVER_PORT": "many", "OPENAI_API_KEY": "client-key-never-shown"}
    result = await run_command("proxy", cwd=tmp_path, env=env)
    assert result.code == 2
    lines = [line for line in result.err.splitlines() if line.startswith("configuration: ")]
    assert any("PREFERRED_PROVIDER" in line for line in lines)
    assert any("SERVER_PORT" in line for line in lines)
    assert "Traceback" not in result.err
    assert "never-shown" not in result.out + result.err


@pytest.mark.parametrize("command", [["proxy"], ["check"], ["translate", "-", "--to", "openai/m"]], ids=lambda c: c[0])
async def test_missing_configuration_file_exits_2(tmp_path: Path, command: list[str]) -> None:
    """A configuration file that is not there is a configuration error of every command that reads it."""
    result = await run_command(*command, "--config", "nowhere.toml", cwd=tmp_path)
    assert result.code == 2
    assert "nowhere.toml" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", [["proxy"], ["check"], ["health"], ["translate", "-", "--to", "openai/m"]])
async def test_removed_folder_is_one_sentence(tmp_path: Path, command: list[str]) -> None:
    """A command that is called in a folder that has been removed says so, and exits 2."""
    folder = tmp_path / "removed"
    folder.mkdir()
    result = await run_command(*command, cwd=folder, first=folder.rmdir)
    assert result.code == 2
    assert result.err == "configuration: the current folder has been removed: change to another one.\n"
