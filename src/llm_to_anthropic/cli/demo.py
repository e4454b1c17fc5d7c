"""`demo`: the proxy on a scripted upstream, and an Anthropic client that shows what it sees."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import time
from collections.abc import Sequence

import click
import msgspec

from llm_to_anthropic.cli.demo_client import Client, Seen
from llm_to_anthropic.cli.proxy import paste_lines
from llm_to_anthropic.errors import ProxyError
from llm_to_anthropic.exchange import Exchange
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.http import server
from llm_to_anthropic.observers.access_log import AccessLog, configure_logging
from llm_to_anthropic.providers.provider import Credential, Provider
from llm_to_anthropic.scripted import Conversation, ScriptedUpstream
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.upstream import Upstream

DEFAULT_PORT = 8082
BIG_MODEL, SMALL_MODEL = "gpt-4.1", "gpt-5-mini"
"""One for each of OpenAI's APIs."""
MODEL, OTHER_MODEL = "claude-sonnet-5-5", "claude-haiku-5-5"
PACE_S = 0.01
PATIENCE_S = 30.0

WEATHER_TOOL: dict[str, object] = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WEATHER_QUESTION = "What is the weather in Lisbon?"
WEATHER_RESULT = "22 degrees and sunny"


class DemoFailed(ProxyError):
    """The client saw something else than it should."""


class _OutputClosed(Exception):
    """Whoever read what is printed has gone."""


def run_demo(*, once: bool, port: int | None) -> int:
    """Shows the proxy at work; the exit code. Raises DemoFailed."""
    try:
        return asyncio.run(_demo(once=once, port=port))
    except _OutputClosed:
        raise BrokenPipeError(errno.EPIPE, "nobody reads") from None  # click ends the program quietly then
    except KeyboardInterrupt:
        return 0


async def _demo(*, once: bool, port: int | None) -> int:
    chosen = _port_to_use(port)
    async with ScriptedUpstream(Conversation(pace_s=PACE_S)) as upstream:
        settings = demo_settings(upstream.url, chosen)
        configure_logging(settings)
        log = _LaterLog()
        gateway = Gateway(settings, Upstream(settings.timeouts, environ={}), [log])
        async with server.running(settings, gateway) as base_url:
            _tell(f"The proxy runs at {click.style(base_url, bold=True)},")
            _tell(f"in front of a scripted upstream that speaks OpenAI's protocols at {upstream.url}/v1.\n")
            await _show(base_url)
            if not once:
                log.on = True
                interrupted = _interruption()
                _tell("\n".join(_invitation(base_url, settings)))
                await interrupted.wait()
    return 0


class _LaterLog:
    """The access log, silent while the demonstration itself prints."""

    def __init__(self) -> None:
        self.on = False
        self._log = AccessLog()

    def record(self, exchange: Exchange) -> None:
        if self.on:
            self._log.record(exchange)


async def _show(base_url: str) -> None:
    client = Client(base_url)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _show_whole(client)
            await _show_stream(client, "2. A streamed message", MODEL)
            await _show_tool(client)
            await _show_stream(client, "4. Another model, by OpenAI Responses", OTHER_MODEL)
    except (OSError, EOFError) as error:  # TimeoutError is an OSError
        raise DemoFailed(f"the proxy did not answer properly: {error!r}") from error
    finally:
        await client.close()


def demo_settings(upstream_url: str, port: int) -> Settings:
    """Settings of a server whose only provider is the scripted upstream. Nothing of the environment is in them."""
    provider = Provider(
        name="openai",
        protocol="openai",
        base_url=f"{upstream_url}/v1",
        credential=Credential(),
        models=(BIG_MODEL, SMALL_MODEL),
    )
    return Settings(
        host="127.0.0.1",
        port=port,
        big_model=BIG_MODEL,
        small_model=SMALL_MODEL,
        providers={provider.name: provider},
        aliases={},
    )


def _port_to_use(port: int | None) -> int:
    """The port asked for, which must be free; else the usual one or, with a sentence, any that is free."""
    if port is not None:
        return port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            _tell(f"Port {DEFAULT_PORT} is taken, so the demonstration uses a free one.")
            return 0
    return DEFAULT_PORT


async def _show_whole(client: Client) -> None:
    _title("1. A whole message")
    message = await _ask(client, {"messages": [{"role": "user", "content": "Hello, who is there?"}]})
    _expect(message.stop_reason == "end_turn" and message.text != "", "the message has no text")
    _tell(f"   text         {message.text}")
    _tell(f"   stop reason  {message.stop_reason}")
    _tell(f"   usage        {message.usage.input_tokens} tokens in, {message.usage.output_tokens} out\n")


async def _show_stream(client: Client, title: str, model: str) -> None:
    _title(title)
    asked = {"role": "user", "content": "Tell me how you travel."}
    seen = await _post(client, {"model": model, "stream": True, "messages": [asked]})
    names: list[str] = []
    async for name, data in seen.events():
        _show_event(name, data, after=names[-1] if names else "")
        names.append(name)
    deltas = names.count("content_block_delta")
    _expect(names[:1] == ["message_start"] and names[-1:] == ["message_stop"] and deltas > 1, "the stream is not whole")
    _tell(f"\n   {len(names)} events, {deltas} of them pieces of the text\n")


def _show_event(name: str, data: dict[str, object], *, after: str) -> None:
    """One line per event, but the pieces of a text one after the other."""
    if name == "content_block_delta":
        delta = msgspec.convert(data["delta"], type=_Delta)
        lead = "" if after == name else "\n   content_block_delta  "
        _tell(lead + click.style(delta.text, fg="cyan"), nl=False)
        return
    lead = "" if after == "" else "\n"
    _tell(f"{lead}   {name}", nl=False)


async def _show_tool(client: Client) -> None:
    _title("3. A tool round trip")
    asked: dict[str, object] = {"role": "user", "content": WEATHER_QUESTION}
    first = await _ask(client, {"tools": [WEATHER_TOOL], "messages": [asked]})
    calls = [block for block in first.content if block.type == "tool_use"]
    _expect(first.stop_reason == "tool_use" and len(calls) == 1, "the model did not call the tool")
    call = calls[0]
    _tell(f"   tool call    {call.name}({msgspec.json.encode(call.input).decode()})")
    _tell(f"   tool result  {WEATHER_RESULT}")
    called = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": WEATHER_RESULT}
    turns = [asked, {"role": "assistant", "content": [called]}, {"role": "user", "content": [result]}]
    last = await _ask(client, {"tools": [WEATHER_TOOL], "messages": turns})
    _expect(WEATHER_RESULT in last.text, "the answer does not use the tool's result")
    _tell(f"   final text   {last.text}\n")


class _Delta(msgspec.Struct):
    text: str = ""


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, object] = {}


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int


class _Message(msgspec.Struct):
    content: list[_Block]
    stop_reason: str
    usage: _Usage

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.content)


async def _ask(client: Client, fields: dict[str, object]) -> _Message:
    seen = await _post(client, fields)
    try:
        return msgspec.json.decode(await seen.body(), type=_Message)
    except msgspec.DecodeError as error:
        raise DemoFailed(f"the answer is not a message: {error}") from error


async def _post(client: Client, fields: dict[str, object]) -> Seen:
    request = {"model": MODEL, "max_tokens": 1024, **fields}
    started = time.monotonic()
    seen = await client.post("/v1/messages", request)
    elapsed_ms = (time.monotonic() - started) * 1000
    target = f"{seen.headers.get('x-upstream-provider')}/{seen.headers.get('x-upstream-model')}"
    _tell(f"   POST /v1/messages ({request['model']}) -> {seen.status} from {target} after {elapsed_ms:.0f} ms")
    if seen.status != 200:
        raise DemoFailed(f"the proxy answered {seen.status}: {(await seen.body()).decode('utf-8', 'replace')}")
    return seen


def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001  a condition
    if not holds:
        raise DemoFailed(f"{otherwise}: this is a mistake of the proxy")


def _tell(text: str, *, nl: bool = True) -> None:
    # Told apart from the proxy's own connections, which can break alike.
    try:
        click.echo(text, nl=nl)
    except BrokenPipeError as error:
        raise _OutputClosed from error


def _title(text: str) -> None:
    _tell(click.style(text, bold=True))


def _invitation(base_url: str, settings: Settings) -> Sequence[str]:
    body = f'{{"model":"{MODEL}","max_tokens":256,"messages":[{{"role":"user","content":"Hello!"}}]}}'
    return [
        click.style("The server keeps running until Ctrl-C. Try it yourself:", bold=True),
        "",
        f"  curl {base_url}/v1/messages -H 'content-type: application/json' -d '{body}'",
        "",
        "or with Claude Code, in its shell:",
        "",
        *paste_lines(base_url, settings),
        "  claude",
        "",
    ]


def _interruption() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    return stopped
