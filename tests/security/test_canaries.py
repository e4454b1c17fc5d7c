"""A canary in every place where a secret may be: none of them sings in any log, error or answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from llm_to_anthropic.config.loading import load
from llm_to_anthropic.errors import ConfigError
from llm_to_anthropic.scripted import Answer, Cut, Request, Reset, Script, ScriptedUpstream, stream, whole
from tests.http.fake import FakeGateway, Front, Response
from tests.running import run_command, running_proxy
from tests.security.four_protocols import greeting

ROOT = Path(__file__).resolve().parents[2]

SLOTS = (
    *("openai_env", "named_env", "key_file", "first_of_two", "second_of_two", "client_key", "hashed_client_key"),
    *("forwarded_key", "wrong_api_key", "wrong_bearer", "web_proxy_password", "cookie", "query", "google_secret"),
    "prompt",
)


def canary(slot: str) -> str:
    """A value that says where it was put, and that changes when it is written as a URL."""
    return f"cnry.{slot}/q+7Z=9x"


CANARIES = {slot: canary(slot) for slot in SLOTS}
OURS = tuple(slot for slot in SLOTS if slot not in ("forwarded_key", "query"))
"""What clients must not see either. The others they have sent themselves, and sent on."""

CONFIGURATION = """
[providers.named]
protocol = "openai_chat"
base_url = "{url}/v1"
api_key = "env:NAMED_KEY"
[providers.responses]
protocol = "openai_responses"
base_url = "{url}/v1"
api_key = "file:key.txt"
[providers.gemini]
protocol = "gemini"
base_url = "{url}/v1beta"
api_key = "file:key.txt"
[providers.claude]
protocol = "anthropic"
base_url = "{url}"
api_key = "env:NAMED_KEY"
[providers.forwarding]
protocol = "anthropic"
base_url = "{url}"
api_key = "client"
[providers.away]
protocol = "openai_chat"
base_url = "http://upstream.example/v1"
api_key = "env:NAMED_KEY"
[providers.dead]
protocol = "openai_chat"
base_url = "http://127.0.0.1:9/v1"
api_key = "env:NAMED_KEY"
[providers.google]
preset = "vertex"
project = "my-project"
[retries]
max_retries = 0
"""
MODELS = (
    *("openai/gpt-x", "named/x", "responses/gpt-5", "gemini/gemini-2.5-pro", "claude/claude-x", "forwarding/claude-x"),
    *("away/x", "dead/x", "google/gemini-2.5-pro", "nobody/x"),
)
STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529, 302)


def forms(text: str) -> set[str]:
    """A secret, and what else it can be found by."""
    raw = text.encode()
    encoded = {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return {
        text,
        *encoded,
        urllib.parse.quote(text, safe=""),
        urllib.parse.quote(text),
        hashlib.sha256(raw).hexdigest(),
    }


def singing(text: str, slots: Iterable[str] = SLOTS) -> dict[str, str]:
    """The canaries in a text, with what stands around them."""
    found = {}
    for slot in slots:
        for form in forms(CANARIES[slot]):
            if form in text:
                at = text.index(form)
                found[slot] = text[max(0, at - 200) : at + 100]
    return found


class Parrot:
    """An upstream that repeats what it was sent, in every way an upstream can fail."""

    def __init__(self) -> None:
        self.status = 200
        self.form = "openai"

    def __call__(self, request: Request) -> Answer:
        said = " ".join([*request.headers.values(), request.query])
        headers = (
            ("x-request-id", said[:200].replace("\n", " ")),
            ("retry-after", "0"),
            ("location", "/?" + said[:99]),
        )
        match self.form:
            case "openai":
                return whole(
                    {"error": {"message": said, "type": said, "code": said}}, status=self.status, headers=headers
                )
            case "anthropic":
                error = {"type": "invalid_request_error", "message": said}
                return whole({"type": "error", "error": error, "request_id": said}, status=self.status, headers=headers)
            case "google":
                return whole({"error": {"code": self.status, "message": said, "status": said}}, status=self.status)
            case "text":
                return whole(said.encode(), status=self.status, headers=(("content-type", "text/plain"), *headers))
            case "cut":
                return stream(b"data: " + said.encode(), Cut())
            case "event" if request.path.endswith("/messages"):
                event = {"type": "error", "error": {"type": "api_error", "message": said}}
                return stream(b"event: error\ndata: " + json.dumps(event).encode() + b"\n\n")
            case "event":
                return stream(b"data: " + json.dumps({"error": {"message": said}}).encode() + b"\n\n")
            case "reset":
                return Answer(before_head=(Reset(),))
            case "no_http":
                return Answer(framing="raw", body=(said.encode() + b"\r\n\r\n", Cut()))
            case _:
                return greeting(request)


FORMS = ("openai", "anthropic", "google", "text", "cut", "event", "reset", "no_http", "greeting")


def environment(upstream: ScriptedUpstream) -> dict[str, str]:
    """What the proxy is started with: a canary wherever a secret goes."""
    user = f"user:{urllib.parse.quote(CANARIES['web_proxy_password'], safe='')}"
    hashed = hashlib.sha256(CANARIES["hashed_client_key"].encode()).hexdigest()
    return {
        "OPENAI_API_KEY": CANARIES["openai_env"],
        "OPENAI_BASE_URL": upstream.url,
        "NAMED_KEY": CANARIES["named_env"],
        "PROXY_API_KEYS": f"{CANARIES['client_key']},alice=sha256:{hashed}",
        "HTTP_PROXY": f"http://{user}@{upstream.url.removeprefix('http://')}",
        "GOOGLE_APPLICATION_CREDENTIALS": "google.json",
    }


def write_files(folder: Path, upstream: ScriptedUpstream) -> None:
    google = {"type": "authorized_user", "client_id": "c", "client_secret": CANARIES["google_secret"]}
    google |= {"refresh_token": CANARIES["google_secret"], "token_uri": upstream.url + "/token"}
    (folder / "google.json").write_text(json.dumps(google))
    (folder / "key.txt").write_text(CANARIES["key_file"])
    (folder / "llm-to-anthropic.toml").write_text(CONFIGURATION.format(url=upstream.url))


def request(model: str, *, streamed: bool) -> bytes:
    messages = [{"role": "user", "content": f"Hello {CANARIES['prompt']}"}]
    return json.dumps({"model": model, "max_tokens": 9, "stream": streamed, "messages": messages}).encode()


KEYS: Mapping[str, dict[str, str]] = {
    "plain": {"x-api-key": CANARIES["client_key"], "authorization": f"Bearer {CANARIES['forwarded_key']}"},
    "hashed": {"authorization": f"Bearer {CANARIES['hashed_client_key']}", "x-api-key": CANARIES["forwarded_key"]},
    "wrong": {"x-api-key": CANARIES["wrong_api_key"], "authorization": f"Bearer {CANARIES['wrong_bearer']}"},
}


async def _everything(proxy: Front, parrot: Parrot) -> list[Response]:
    """Answers to requests of every kind, with every failure behind them."""
    query = urllib.parse.quote(CANARIES["query"], safe="")
    path = f"/v1/messages?key={query}&api_key={query}"
    answers: list[Response] = []

    async def send(model: str, keys: str, *, streamed: bool, at: str = path) -> None:
        headers = {**KEYS[keys], "cookie": f"session={CANARIES['cookie']}"}
        answers.append(await proxy.request("POST", at, headers, request(model, streamed=streamed)))

    for form in FORMS:
        for parrot.status in STATUSES if form in ("openai", "anthropic", "google", "text") else (200,):
            parrot.form = form
            for model in MODELS[:6]:
                await send(model, "plain", streamed=parrot.status in (200, 401))
    for model in MODELS:
        for keys in KEYS:
            for streamed in (False, True):
                await send(model, keys, streamed=streamed)
        await send(model, "plain", streamed=False, at=path.replace("messages?", "messages/count_tokens?"))
    for elsewhere in ("/v1/models", "/v1/files", "/v1/messages/batches", "/nothing", "/health/ready", "//v1/messages"):
        await send("x", "plain", streamed=False, at=f"{elsewhere}?key={query}")
    answers.append(await proxy.request("GET", "/metrics", KEYS["plain"]))
    return answers


@pytest.mark.timeout(120)
@pytest.mark.parametrize("flags", [(), ("-v",)], ids=["usual", "verbose"])
async def test_no_secret_is_told(flags: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever clients send and upstreams answer, no log line and no answer holds a key, nor its base64 or hash."""
    parrot = Parrot()
    async with ScriptedUpstream(Script(otherwise=parrot)) as upstream:
        write_files(tmp_path, upstream)
        async with running_proxy(*flags, cwd=tmp_path, env=environment(upstream)) as running:
            answers = await _everything(Front(running.url, FakeGateway()), parrot)
    told = "\n".join(f"{answer.headers} {answer.body.decode('utf-8', 'replace')}" for answer in answers)
    assert len(answers) > 400
    assert "internal error" not in running.err
    assert answers[-1].status == 200
    assert singing(answers[-1].body.decode()) == {}
    assert singing(running.err, [slot for slot in SLOTS if not (flags and slot == "prompt")]) == {}
    assert singing(told, OURS) == {}


async def test_metrics_tell_no_secret_that_stood_for_a_model(tmp_path: Path) -> None:
    """A key that a client sends by mistake as its model, plain or behind a provider's name, is in no metric."""
    async with ScriptedUpstream(Script(otherwise=greeting)) as upstream:
        write_files(tmp_path, upstream)
        async with running_proxy(cwd=tmp_path, env=environment(upstream)) as running:
            proxy = Front(running.url, FakeGateway())
            for secret in CANARIES.values():
                for model in (secret, f"openai/{secret}"):
                    await proxy.request("POST", "/v1/messages", KEYS["plain"], request(model, streamed=False))
            metrics = await proxy.request("GET", "/metrics", KEYS["plain"])
    assert 'model="other"' in metrics.body.decode()
    assert singing(metrics.body.decode()) == {}


async def test_crash_tells_no_secret() -> None:
    """A bug's traceback is logged with the keys taken out, and the client is told a request id alone."""
    command = (sys.executable, "-m", "tests.security.crashing", CANARIES["openai_env"])
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=pipe, stderr=pipe)
    out, err = [data.decode() for data in await process.communicate()]
    assert err.count("RuntimeError: these headers cannot be sent") == 2
    assert "internal error; request id req_" in out
    assert "event: error" in out
    assert singing(out + err) == {}


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "key_as_port": ({"SERVER_PORT": "SECRET"}, ""),
    "key_as_flag": ({"STRICT": "SECRET"}, ""),
    "key_as_provider": ({"PREFERRED_PROVIDER": "SECRET"}, ""),
    "key_as_url": ({"OPENAI_BASE_URL": "SECRET"}, ""),
    "password_in_url": ({"OPENAI_BASE_URL": "http://user:SECRET@localhost:1"}, ""),
    "query_in_url": ({"OPENAI_BASE_URL": "http://localhost:1/?key=SECRET"}, ""),
    "key_with_a_line_break": ({"OPENAI_API_KEY": "SECRET\nSECRET"}, ""),
    "hash_of_another_kind": ({"PROXY_API_KEYS": "alice=sha256:SECRET"}, ""),
    "key_in_the_file": ({}, 'openai_api_key = "SECRET"'),
    "client_key_in_the_file": ({}, 'proxy_api_keys = ["SECRET"]'),
    "key_as_reference": ({}, 'openai_api_key = "env:SECRET"'),
    "key_as_file": ({}, 'openai_api_key = "file:SECRET"'),
    "key_as_protocol": ({}, '[providers.x]\nprotocol = "SECRET"\nbase_url = "http://localhost:1"'),
    "key_as_table": ({}, '[providers]\nx = "SECRET"'),
    "key_as_quirk": ({}, '[providers.x]\npreset = "ollama"\n[providers.x.quirks]\nmax_stop = "SECRET"'),
    "key_as_limit": ({}, '[limits]\nmax_headers = "SECRET"'),
    "key_as_model": ({}, '[models]\nfast = ["SECRET", 1]'),
    "torn_file": ({}, 'openai_api_key = "SECRET'),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_the_configuration_repeats_no_key(mistake: str, tmp_path: Path) -> None:
    """A key in the wrong place is refused at start, or warned of, without being shown."""
    variables, text = MISTAKES[mistake]
    secret = CANARIES["openai_env"]
    (tmp_path / "llm-to-anthropic.toml").write_text(text.replace("SECRET", secret))
    env = {name: value.replace("SECRET", secret) for name, value in variables.items()}
    with pytest.raises(ConfigError) as refused:
        load({}, env, tmp_path)
    assert singing("\n".join(refused.value.problems) + repr(refused.value), ["openai_env"]) == {}


async def test_commands_tell_no_key(tmp_path: Path) -> None:
    """`check` and `translate` say what they do without any key, whatever the upstream repeats."""
    parrot = Parrot()
    parrot.status = 401
    async with ScriptedUpstream(Script(otherwise=parrot)) as upstream:
        write_files(tmp_path, upstream)
        env = environment(upstream)
        checked = await run_command("check", cwd=tmp_path, env=env)
        body = request("x", streamed=False)
        shown = await run_command("translate", "-", "--to", "named/x", cwd=tmp_path, env=env, stdin=body)
    assert shown.code == 0
    slots = [slot for slot in OURS if slot != "prompt"]
    assert singing(checked.out + checked.err + shown.out + shown.err, slots) == {}
