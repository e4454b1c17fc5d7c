"""The command line: what can be said. What is done stands in the module of each command.

Only click is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import click

from llm_to_anthropic import __version__

OK, RUN_ERROR, USAGE_ERROR = 0, 1, 2

Command = Callable[..., Any]

EXAMPLES = """\b
Examples:
  OPENAI_API_KEY=... llm-to-anthropic              start on port 8082
  llm-to-anthropic proxy --port 9000 -v            another port, and say more
  llm-to-anthropic demo                            see it work without any key
  llm-to-anthropic check                           try every configured provider
  llm-to-anthropic health                          ask a running proxy whether it is well
  llm-to-anthropic translate request.json --to openai/gpt-4.1

\b
Then, for Claude Code:
  export ANTHROPIC_BASE_URL=http://127.0.0.1:8082
  export ANTHROPIC_AUTH_TOKEN=any-value

Exit codes: 0 all well, 1 an error while running, 2 wrong usage or configuration.
"""

PROXY_EXAMPLES = """\b
Examples:
  llm-to-anthropic proxy
  llm-to-anthropic proxy --host 127.0.0.1 --port 9000 -v
  llm-to-anthropic proxy --config team.toml --workers 4

Flags win over the environment, that over .env, that over the configuration file.
Text for people and logs go to standard error.
"""

DEMO_EXAMPLES = """\b
Examples:
  llm-to-anthropic demo            then try your own curl or Claude Code
  llm-to-anthropic demo --once     only show it, and exit
"""

CHECK_EXAMPLES = """\b
Examples:
  llm-to-anthropic check
  llm-to-anthropic check --config team.toml

Exit codes: 0 all that were tried are well, 1 one is not, 2 wrong configuration.
"""

HEALTH_EXAMPLES = """\b
Examples:
  llm-to-anthropic health                      the proxy that is configured here
  llm-to-anthropic health --ready              and whether it can serve
  llm-to-anthropic health --url http://127.0.0.1:9000

Exit codes: 0 it is well, 1 it is not, 2 wrong usage.
"""

TRANSLATE_EXAMPLES = """\b
Examples:
  llm-to-anthropic translate request.json --to openai/gpt-4.1
  llm-to-anthropic translate - --to openai/o3 --stream < request.json
"""


def _config_option(command: Command) -> Command:
    option = click.option(
        "--config", metavar="FILE", type=click.Path(path_type=Path), help="Configuration file (TOML)."
    )
    return option(command)


def _proxy_options(command: Command) -> Command:
    """The options of the server, on `proxy` and on the bare command."""
    options: list[Callable[[Command], Command]] = [
        click.option("--host", metavar="ADDRESS", help="Address to listen on [0.0.0.0]."),
        click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [8082]."),
        _config_option,
        click.option("--workers", type=click.IntRange(1, 512), help="Processes to serve with [1]."),
        click.option("-v", "--verbose", is_flag=True, default=None, help="Log translated requests and answers."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(invoke_without_command=True, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@_proxy_options
@click.version_option(__version__, "-V", "--version", prog_name="llm-to-anthropic", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, /, **flags: Any) -> None:
    """Anthropic's API in front of every model.

    Point Claude Code, an SDK or any other Anthropic client at it. Without a command it starts the proxy.
    """
    _mend_standard_files()
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        context.color = False
    context.obj = _given(flags)
    if context.invoked_subcommand is None:
        _start(context, {})


@main.command(epilog=PROXY_EXAMPLES, short_help="Start the proxy: the same as no command.")
@_proxy_options
@click.pass_context
def proxy(context: click.Context, /, **flags: Any) -> None:
    """Start the proxy (the same as no command at all)."""
    _start(context, flags)


@main.command(epilog=DEMO_EXAMPLES, short_help="See it work, without any key.")
@click.option("--once", is_flag=True, help="Exit after the demonstration: 0 if all of it worked.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [8082, or a free one].")
@click.pass_context
def demo(context: click.Context, *, once: bool, port: int | None) -> None:
    """Show a whole message, a stream and a tool call, on a scripted upstream: no key needed."""

    def work() -> int:
        from llm_to_anthropic.cli.demo import run_demo

        return run_demo(once=once, port=port if port is not None else context.obj.get("port"))

    _finish(context, work)


@main.command(epilog=CHECK_EXAMPLES, short_help="Try every configured provider.")
@_config_option
@click.pass_context
def check(context: click.Context, /, **flags: Any) -> None:
    """Try every configured provider, by each model that Claude's names become, with a tiny request."""

    def work() -> int:
        from llm_to_anthropic.cli.check import run_check

        return run_check(context.obj | _given(flags))

    _finish(context, work)


@main.command(epilog=HEALTH_EXAMPLES, short_help="Ask a running proxy whether it is well.")
@click.option("--url", metavar="URL", help="Base URL of the proxy [as configured here].")
@click.option("--ready", is_flag=True, help="Ask whether it can serve, too.")
@_config_option
@click.pass_context
def health(context: click.Context, /, url: str | None, *, ready: bool, **flags: Any) -> None:
    """Ask a running proxy whether it is well: for health checks of containers and supervisors."""

    def work() -> int:
        from llm_to_anthropic.cli.health import run_health

        return run_health(url, ready=ready, flags=context.obj | _given(flags))

    _finish(context, work)


@main.command(epilog=TRANSLATE_EXAMPLES, short_help="Print what a request becomes upstream.")
@click.argument("file", type=click.File("rb"))
@click.option("--to", "target", required=True, metavar="PROVIDER/MODEL", help="Where the request would go.")
@click.option("--stream/--no-stream", default=None, help="As if the client had asked for it [as FILE says].")
@_config_option
@click.pass_context
def translate(context: click.Context, /, file: BinaryIO, target: str, *, stream: bool | None, **flags: Any) -> None:
    """Print the upstream request that FILE (or -) becomes, and every loss, without sending it."""

    def work() -> int:
        from llm_to_anthropic.cli.translate import run_translate

        return run_translate(file.read(), target, stream=stream, flags=context.obj | _given(flags))

    _finish(context, work)


def _mend_standard_files() -> None:
    """Puts the null device where standard input, output or error is closed: a socket would get its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  as long as the process
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error has it: a locale may lack letters


def _given(flags: Mapping[str, object]) -> dict[str, object]:
    """The flags that were given; the others leave the word to the environment."""
    return {name: value for name, value in flags.items() if value is not None}


def _start(context: click.Context, flags: Mapping[str, object]) -> NoReturn:
    def work() -> int:
        # Until the server takes its signals: an exception could come amid a callback, which drops it, and be lost.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        from llm_to_anthropic.cli.proxy import run_proxy

        return run_proxy(context.obj | _given(flags))

    _finish(context, work)


def _finish(context: click.Context, work: Callable[[], int]) -> NoReturn:
    """Runs a command; errors meant for people become lines on stderr and an exit code."""
    from llm_to_anthropic.errors import ConfigError, ProxyError

    try:
        code = work()
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"{click.style('configuration:', fg='red')} {problem}", err=True)
        code = USAGE_ERROR
    except ProxyError as error:
        click.echo(f"{click.style('error:', fg='red')} {error}", err=True)
        code = RUN_ERROR
    context.exit(code)
