"""`translate`: the upstream request and its losses, printed and not sent."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import pytest

from tests.running import Finished, run_command

REQUEST: dict[str, object] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 64,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Hello"}],
}


async def translate(cwd: Path, request: object, *options: str, env: dict[str, str] | None = None) -> Finished:
    text = request if isinstance(request, bytes) else json.dumps(request).encode()
    return await run_command("translate", "-", *options, cwd=cwd, env=env, stdin=text)


def upstream_body(result: Finished) -> dict[str, object]:
    """The printed JSON body."""
    body: dict[str, object] = json.loads(result.out[result.out.index("\n{") : result.out.rindex("}") + 1])
    return body


async def test_prints_the_upstream_request(tmp_path: Path) -> None:
    """Method, URL and body of the upstream request are printed, without any key being configured."""
    result = await translate(tmp_path, REQUEST, "--to", "openai/gpt-4.1")
    assert result.code == 0, result.err
    assert result.out.startswith("POST https://api.openai.com/v1/chat/completions\n")
    body = upstream_body(result)
    assert body["model"] == "gpt-4.1"
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


async def test_closed_standard_input_is_an_empty_request(tmp_path: Path) -> None:
    """Where there is no standard input to read the request from, that is told in a sentence."""
    result = await run_command("translate", "-", "--to", "openai/m", cwd=tmp_path, first=partial(os.close, 0))
    assert result.code == 1
    assert result.err.startswith("error: The request body is empty")


async def test_prints_in_every_locale(tmp_path: Path) -> None:
    """Letters that the locale does not have are printed as escapes."""
    request = REQUEST | {"system": "so \u2713"}
    result = await translate(tmp_path, request, "--to", "openai/gpt-4.1", env={"PYTHONIOENCODING": "latin-1"})
    assert result.code == 0
    assert "so \\u2713" in result.out


async def test_says_when_nothing_is_lost(tmp_path: Path) -> None:
    """A request that can be carried over whole is said to lose nothing."""
    result = await translate(tmp_path, REQUEST, "--to", "openai/gpt-4.1")
    assert result.out.endswith("Nothing is lost.\n")


async def test_lists_losses(tmp_path: Path) -> None:
    """Every loss is listed with its path and what became of it."""
    result = await translate(tmp_path, REQUEST | {"top_k": 5}, "--to", "openai/gpt-4.1")
    assert result.code == 0
    tail = result.out[result.out.rindex("}") + 1 :].strip().splitlines()
    assert tail[0] == "1 loss:"
    assert tail[1].startswith("  top_k: ")


@pytest.mark.parametrize(
    ("options", "stream"),
    [(("--stream",), True), (("--no-stream",), None), ((), None)],
    ids=["stream", "no-stream", "as-it-is"],
)
async def test_stream_option(tmp_path: Path, options: tuple[str, ...], stream: bool | None) -> None:
    """--stream and --no-stream show the request as if the client had asked for that."""
    result = await translate(tmp_path, REQUEST, "--to", "openai/gpt-4.1", *options)
    assert upstream_body(result).get("stream") in {stream, bool(stream)}


async def test_reads_a_file(tmp_path: Path) -> None:
    """The request may stand in a file."""
    (tmp_path / "request.json").write_text(json.dumps(REQUEST))
    result = await run_command("translate", "request.json", "--to", "openai/gpt-4.1", cwd=tmp_path)
    assert result.code == 0
    assert "chat/completions" in result.out


@pytest.mark.parametrize(
    ("option", "path"), [("--no-stream", "rawPredict"), ("--stream", "streamRawPredict")], ids=["whole", "streamed"]
)
async def test_claude_on_vertex_is_asked_there(tmp_path: Path, option: str, path: str) -> None:
    """Vertex AI takes the model in the address and the version in the body: so it is shown."""
    table = 'preset = "vertex-anthropic"\nproject = "mine"\nlocation = "us-east5"'
    (tmp_path / "llm-to-anthropic.toml").write_text(f"[providers.vertex-claude]\n{table}\n")
    result = await translate(tmp_path, REQUEST, "--to", "vertex-claude/claude-x@1", option)
    place = "projects/mine/locations/us-east5/publishers/anthropic/models"
    assert result.out.startswith(f"POST https://us-east5-aiplatform.googleapis.com/v1/{place}/claude-x@1:{path}\n")
    body = upstream_body(result)
    assert "model" not in body
    assert body["anthropic_version"] == "vertex-2023-10-16"


async def test_anthropic_target_keeps_the_request(tmp_path: Path) -> None:
    """Towards Anthropic only the model changes."""
    result = await translate(tmp_path, REQUEST, "--to", "anthropic/claude-opus-5-5")
    assert result.out.startswith("POST https://api.anthropic.com/v1/messages\n")
    assert upstream_body(result) == REQUEST | {"model": "claude-opus-5-5"}


async def test_no_credential_is_printed(tmp_path: Path) -> None:
    """A configured key is not printed."""
    env = {"OPENAI_API_KEY": "upstream-test-key"}
    result = await translate(tmp_path, REQUEST, "--to", "openai/gpt-4.1", env=env)
    assert result.code == 0
    assert "upstream-test-key" not in result.out + result.err
    assert "authorization" not in result.out.lower()


@pytest.mark.parametrize(
    ("request_body", "options", "said"),
    [
        (b"{", ("--to", "openai/gpt-4.1"), "JSON"),
        (b"{", ("--to", "openai/gpt-4.1", "--stream"), "JSON"),
        (b'{"model":"m","max_tokens":1}', ("--to", "openai/gpt-4.1"), "messages"),
        (json.dumps(REQUEST).encode(), ("--to", "nobody/x"), "nobody/x"),
    ],
    ids=["not-json", "not-json-streamed", "no-messages", "unknown-provider"],
)
async def test_request_that_cannot_be_sent(
    tmp_path: Path, request_body: bytes, options: tuple[str, ...], said: str
) -> None:
    """A request that cannot be sent exits 1 and says why."""
    result = await translate(tmp_path, request_body, *options)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert said in result.err
    assert "Traceback" not in result.err


async def test_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    """A file that is not there exits 2."""
    result = await run_command("translate", "nowhere.json", "--to", "openai/gpt-4.1", cwd=tmp_path)
    assert result.code == 2
    assert "nowhere.json" in result.err


SEARCH = {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}


@pytest.mark.parametrize(
    ("model", "more", "path"),
    [("gpt-5", {}, "/responses"), ("gpt-4.1", {}, "/chat/completions"), ("gpt-4.1", SEARCH, "/responses")],
    ids=["by-model", "by-model-too", "by-tools"],
)
async def test_shows_which_of_openais_apis_is_asked(
    tmp_path: Path, model: str, more: dict[str, object], path: str
) -> None:
    """The address tells by which API a model and a request are served."""
    result = await translate(tmp_path, REQUEST | more, "--to", f"openai/{model}")
    assert result.code == 0, result.err
    assert result.out.startswith(f"POST https://api.openai.com/v1{path}\n")


async def test_shows_azures_address_in_full(tmp_path: Path) -> None:
    """Deployment and version stand in the printed address."""
    env = {"OPENAI_BASE_URL": "https://acme.openai.azure.com/openai?api-version=2024-10-21"}
    result = await translate(tmp_path, REQUEST, "--to", "openai/prod", env=env)
    path = "/openai/deployments/prod/chat/completions?api-version=2024-10-21"
    assert result.out.startswith(f"POST https://acme.openai.azure.com{path}\n")
