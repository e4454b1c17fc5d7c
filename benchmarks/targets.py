"""What is measured: nginx as the limit, this proxy, and its peers, each installed and started by itself."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks.bodies import encode
from benchmarks.processes import Absent, Process, memory_mb

ROOT = Path(__file__).parents[1]
INSTALLS = ROOT / ".venv" / "bench"
CLIENT_KEY = "bench-client-key"
HEADERS = (f"x-api-key: {CLIENT_KEY}", "anthropic-version: 2023-06-01")
START_WITHIN_S = 90.0
SETTLE_S = 0.5

LITELLM_VERSION = "1.102.4"
ROUTER_VERSION = "2.0.0"
COMPROMISED = frozenset({"1.82.7", "1.82.8", "1.107.0"})
"""Releases of LiteLLM that carried malware, or were withdrawn without a word."""

WORKLOADS = ("text-burst", "turn-paced", "short-quick", "short-slow")
"""What peers are asked for; the models' names have to be listed."""


class Ports(msgspec.Struct, frozen=True):
    """Where everything listens, on loopback."""

    upstream: int = 19810
    upstream_tls: int = 19811
    nginx: int = 19812
    nginx_tls: int = 19813
    proxy: int = 19814
    litellm: int = 19816
    router: int = 19817


PORTS = Ports()


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One server that can be started."""

    name: str
    port: int
    command: tuple[str | Path, ...]
    env: Mapping[str, str] = {}
    model: str = "bench-{workload}"
    """How a client names a workload's model."""
    version: str = ""
    installed: Path | None = None
    """What its installation fills."""


class Running:
    """A target that answers."""

    def __init__(self, target: Target, folder: Path, workload: str = "text-burst") -> None:
        """Starts it and waits for its first good answer. Raises Absent where that stays away."""
        self.target = target
        self.port = target.port
        body = encode("small", target.model.format(workload=workload), stream=False)
        began = time.monotonic()
        self._process = Process(target.command, log=folder / f"{target.name}.log", env=_environment(folder, target.env))
        self.pid = self._process.pid
        while not answered(target.port, body):
            if self._process.ended or time.monotonic() - began > START_WITHIN_S:
                self._process.stop()
                raise Absent(f"{target.name} did not start: {self._process.words()}")
            time.sleep(0.005)
        self.start_s = time.monotonic() - began
        time.sleep(SETTLE_S)
        self.idle_mb = memory_mb(self.pid)

    def stop(self) -> None:
        self._process.stop()


def _environment(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Nothing of this machine's but where programs are found: no key and no proxy of the user's is touched."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(folder), "LANG": "C.UTF-8", **given}


def answered(port: int, body: bytes) -> bool:
    """Whether a request is answered well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = dict(header.split(": ") for header in HEADERS) | {"content-type": "application/json"}
    try:
        connection.request("POST", "/v1/messages", body, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return answer.status == 200 and (b"message_stop" in text or b'"end_turn"' in text or b'"tool_use"' in text)


def make_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key beside it. Raises Absent."""
    if shutil.which("openssl") is None:
        raise Absent("openssl is not installed: nothing is measured with TLS to the upstream")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    return folder / "cert.pem"


def nginx(folder: Path, *, tls: bool) -> Target:
    """Nginx with one worker, as a plain reverse proxy of the upstream: it changes nothing and logs nothing."""
    site = (
        f"server {{ listen 127.0.0.1:{PORTS.nginx} backlog=4096; location / {{ proxy_pass http://plain; {_RELAY} }} }}"
    )
    upstream = f"upstream plain {{ server 127.0.0.1:{PORTS.upstream}; {_KEPT} }}"
    if tls:
        upstream += f" upstream tls {{ server 127.0.0.1:{PORTS.upstream_tls}; {_KEPT} }}"
        trust = f"proxy_ssl_trusted_certificate {folder}/cert.pem; proxy_ssl_verify on; proxy_ssl_name 127.0.0.1;"
        place = f"location / {{ proxy_pass https://tls; {_RELAY} {trust} }}"
        site += f" server {{ listen 127.0.0.1:{PORTS.nginx_tls} backlog=4096; {place} }}"
    return Target(
        name="nginx", port=PORTS.nginx, command=_nginx(folder, "nginx", f"{upstream} {site}"), version=_nginx_version()
    )


def tls_front(folder: Path) -> Process:
    """TLS in front of the fake upstream, by another nginx."""
    pair = f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;"
    place = f"location / {{ proxy_pass http://plain; {_RELAY} }}"
    site = f"server {{ listen 127.0.0.1:{PORTS.upstream_tls} ssl backlog=4096; {pair} {place} }}"
    conf = f"upstream plain {{ server 127.0.0.1:{PORTS.upstream}; {_KEPT} }} {site}"
    return Process(_nginx(folder, "tls", conf), log=folder / "tls.log")


_KEPT = "keepalive 2048; keepalive_requests 10000000;"
_RELAY = (
    'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off; '
    "proxy_read_timeout 600s;"
)


def _nginx(folder: Path, name: str, conf: str) -> tuple[str, ...]:
    if shutil.which("nginx") is None:
        raise Absent("nginx is not installed, and it is what everything is compared with")
    parts = " ".join(
        f"{part}_temp_path {folder}/{name}-{part};" for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (
        f"worker_processes 1; daemon off; pid {folder}/{name}.pid; error_log {folder}/{name}-error.log; "
        "events { worker_connections 8192; } "
        "http { access_log off; keepalive_requests 10000000; client_max_body_size 16m; client_body_buffer_size 2m; "
        f"{parts} {conf} }}"
    )
    (folder / f"{name}.conf").write_text(text)
    return "nginx", "-c", str(folder / f"{name}.conf"), "-e", str(folder / f"{name}-error.log")


def _nginx_version() -> str:
    told = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return told.rpartition("/")[2].strip()


def proxy(folder: Path, *, python: str, tls: bool, workers: int = 1) -> Target:
    """The proxy as users install it, and with all that a server of a team has on: client keys, logging, limits.

    `python` is the interpreter that runs it.
    """
    plain = f"http://127.0.0.1:{PORTS.upstream}"
    tables = [
        _provider("chat", "openai_chat", f"{plain}/v1"),
        _provider("responses", "openai_responses", f"{plain}/v1"),
        _provider("gemini-bench", "gemini", f"{plain}/v1beta"),
        _provider("claude", "anthropic", plain),
    ]
    env = {"PROXY_API_KEYS": CLIENT_KEY, "BENCH_KEY": "bench-upstream-key"}
    if tls:
        tables.append(_provider("chat-tls", "openai_chat", f"https://127.0.0.1:{PORTS.upstream_tls}/v1"))
        env["SSL_CERT_FILE"] = str(folder / "cert.pem")
    config = folder / "proxy.toml"
    config.write_text("\n".join(tables))
    installed = install_proxy(python)
    command = installed / "bin" / "llm-to-anthropic"
    words = (command, "proxy", "--host", "127.0.0.1", "--port", str(PORTS.proxy), "--config", config)
    told = _said([command, "--version"]).split()[-1]
    return Target(
        name="llm-to-anthropic" if workers == 1 else f"llm-to-anthropic, {workers} workers",
        port=PORTS.proxy,
        command=(*words, "--workers", str(workers)),
        env=env,
        model="chat/bench-{workload}",
        version=f"{told} on {_interpreter(installed)}",
        installed=installed,
    )


def _provider(name: str, protocol: str, base_url: str) -> str:
    return f'[providers.{name}]\nprotocol = "{protocol}"\nbase_url = "{base_url}"\napi_key = "env:BENCH_KEY"\n'


def install_proxy(python: str) -> Path:
    """The wheel of this checkout and what it depends on, in an environment without anything else."""
    place = _environment_of("proxy", python)
    lock = ROOT / "requirements" / "core.txt"
    _once(place, "core", lock.read_bytes(), lambda: _pip(place, "--require-hashes", "-r", str(lock)))
    with_wheel = INSTALLS / "dist"
    shutil.rmtree(with_wheel, ignore_errors=True)
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(with_wheel), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = with_wheel.glob("*.whl")
    _pip(place, "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    return place


def litellm(folder: Path, python: str) -> Target:
    """LiteLLM's proxy on the interpreter that ours has, its releases with malware refused. Raises Absent."""
    place = _environment_of("litellm", python)
    wanted = f"litellm[proxy]=={refuse_compromised(LITELLM_VERSION)}"
    _once(place, "litellm", wanted.encode(), lambda: _pip(place, wanted))
    rows = "\n".join(_litellm_model(workload) for workload in WORKLOADS)
    settings = (
        "litellm_settings: {drop_params: true, telemetry: false, num_retries: 0, request_timeout: 600, "
        "use_chat_completions_url_for_anthropic_messages: true}"
    )
    (folder / "litellm.yaml").write_text(f"model_list:\n{rows}\n{settings}\n")
    words = ("--config", str(folder / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(PORTS.litellm))
    env = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "NO_DOCS": "True",
        "DISABLE_ADMIN_UI": "True",
    }
    return Target(
        name="LiteLLM",
        port=PORTS.litellm,
        command=(place / "bin" / "litellm", *words, "--num_workers", "1"),
        env=env,
        version=f"{LITELLM_VERSION} on {_interpreter(place)}",
        installed=place,
    )


def refuse_compromised(version: str) -> str:
    """The version, unless it is known for what it carried. Raises Absent."""
    if version in COMPROMISED:
        raise Absent(f"LiteLLM {version} is a compromised release and is not installed")
    return version


def _litellm_model(workload: str) -> str:
    where = f'api_base: "http://127.0.0.1:{PORTS.upstream}/v1", api_key: bench-upstream-key'
    return f"  - model_name: bench-{workload}\n    litellm_params: {{model: openai/bench-{workload}, {where}}}"


def router(folder: Path, _python: str) -> Target:
    """claude-code-router, from npm. Raises Absent."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Absent("claude-code-router needs node and npm")
    place = INSTALLS / "router"
    place.mkdir(parents=True, exist_ok=True)
    wanted = f"@musistudio/claude-code-router@{ROUTER_VERSION}"
    command = [
        npm,
        "install",
        "--prefix",
        str(place),
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--silent",
        wanted,
    ]
    _once(place, "router", wanted.encode(), lambda: _install(command))
    provider = {
        "name": "bench",
        "api_base_url": f"http://127.0.0.1:{PORTS.upstream}/v1/chat/completions",
        "api_key": "bench-upstream-key",
        "models": [f"bench-{workload}" for workload in WORKLOADS],
    }
    home = folder / ".claude-code-router"
    home.mkdir(exist_ok=True)
    config = {"PORT": PORTS.router, "HOST": "127.0.0.1", "APIKEY": CLIENT_KEY, "LOG": False}
    routes = {"default": "bench,bench-text-burst"}
    (home / "config.json").write_text(json.dumps({**config, "Providers": [provider], "Router": routes}))
    script = place / "node_modules" / "@musistudio" / "claude-code-router" / "dist" / "cli.js"
    return Target(
        name="claude-code-router",
        port=PORTS.router,
        command=(node, script, "start"),
        model="bench,bench-{workload}",
        version=ROUTER_VERSION,
        installed=place / "node_modules",
    )


PEERS: Mapping[str, Callable[[Path, str], Target]] = {"litellm": litellm, "claude-code-router": router}


def installed_mb(place: Path) -> float:
    """What an installation takes on disk."""
    folders = list(place.glob("lib/python*/site-packages")) or [place]
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return sum(file.stat().st_size for file in files) / 1e6


def _environment_of(name: str, python: str) -> Path:
    place = INSTALLS / name
    words = [python, "-m", "venv", "--clear", "--without-pip", str(place)]
    _once(place, "python", python.encode(), lambda: _install(words))
    return place


def _interpreter(place: Path) -> str:
    """`Python 3.11.2`, of an environment."""
    return _said([place / "bin" / "python", "--version"]).strip()


def _said(command: Sequence[str | Path]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _pip(place: Path, *words: str) -> None:
    quiet = ("--disable-pip-version-check", "--quiet", "--python", str(place / "bin" / "python"))
    _install([sys.executable, "-m", "pip", *quiet, "install", *words])


def _install(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Absent(f"{' '.join(command[:6])} ... failed: {done.stderr[-500:]}")


def _once(place: Path, name: str, asked: bytes, work: Callable[[], None]) -> None:
    """Does the work unless what is asked for is there already."""
    mark, digest = place / f".{name}", hashlib.sha256(asked).hexdigest()
    if mark.exists() and mark.read_text() == digest:
        return
    work()
    mark.write_text(digest)
