"""`check`: a tiny request to every model that clients are sent to, and plain words for what is wrong."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping

import click
import msgspec

from llm_to_anthropic.config import loading
from llm_to_anthropic.config.sources import here
from llm_to_anthropic.errors import ApiError
from llm_to_anthropic.gateway.call import Call, Headers, WhenLeft, messages_call
from llm_to_anthropic.gateway.gateway import Gateway
from llm_to_anthropic.gateway.refusal import told_error
from llm_to_anthropic.providers.provider import Credential, Provider, Target
from llm_to_anthropic.routing import LINE_MODELS, PREFERRED_NAMES, Router, usable
from llm_to_anthropic.settings import Retries, Settings
from llm_to_anthropic.upstream import Upstream

PATIENCE_S = 30.0
"""A provider that says nothing for so long is reported as silent."""

_SMALL = re.compile(r"(?<![a-z])(?:nano|mini|lite|flash|haiku|small)(?![a-z])")
"""A word of a small model's name; that of gemini is none."""
_USUAL_LINES = ("haiku", "sonnet")
_BUILT_IN = frozenset(PREFERRED_NAMES.values())


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one provider, by one of its keys. `ok` is None where it was not tried."""

    provider: str
    """With the number of the key, where it has several."""
    ok: bool | None
    text: str
    remedy: str = ""


def run_check(flags: Mapping[str, object]) -> int:
    """Prints a finding per provider; 0 if all that were tried are well. Raises ConfigError."""
    settings = loading.load(flags, os.environ, here())
    for warning in settings.warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {warning}", err=True)
    findings = asyncio.run(check_providers(settings))
    for finding in findings:
        click.echo(_line(finding))
    tried = [finding for finding in findings if finding.ok is not None]
    if not tried:
        click.echo("No provider could be tried.")
    return 0 if tried and all(finding.ok for finding in tried) else 1


async def check_providers(settings: Settings) -> list[Finding]:
    """Tries all providers at once, by each of their keys; in the order of the settings."""
    patience = {"first_event_s": PATIENCE_S, "reasoning_event_s": PATIENCE_S, "whole_s": PATIENCE_S}
    limits = msgspec.structs.replace(settings.timeouts, total_s=2 * PATIENCE_S, **patience)
    settings = msgspec.structs.replace(settings, timeouts=limits, retries=Retries(max_retries=0))
    most_keys = max(len(one.credential.keys) for one in settings.providers.values())
    found = await asyncio.gather(*(_check_by_key(settings, number) for number in range(max(1, most_keys))))
    return [findings[name] for name in settings.providers for findings in found if name in findings]


async def _check_by_key(settings: Settings, number: int) -> dict[str, Finding]:
    """Tries the providers that have a key of that number, each as if it had no other; 0: those without one, too."""
    counts = {name: len(one.credential.keys) for name, one in settings.providers.items()}
    providers = {name: _with_key(one, number) for name, one in settings.providers.items()}
    settings = msgspec.structs.replace(settings, providers=providers)
    router = Router(settings)
    gateway = Gateway(settings, Upstream(settings.timeouts, environ=os.environ), ())
    tried = [one for name, one in providers.items() if number < (counts[name] or 1)]
    try:
        findings = await asyncio.gather(*(_check(gateway, router, one) for one in tried))
    finally:
        await gateway.close()
    return {one.name: _numbered(found, number, counts[one.name]) for one, found in zip(tried, findings, strict=True)}


def _with_key(provider: Provider, number: int) -> Provider:
    if not (number or provider.credential.more_keys):
        return provider
    key = next(iter(provider.credential.keys[number:]), None)
    return msgspec.structs.replace(provider, credential=Credential(key=key, variable=provider.credential.variable))


def _numbered(finding: Finding, number: int, count: int) -> Finding:
    if count < 2:
        return finding
    return msgspec.structs.replace(finding, provider=f"{finding.provider} (key {number + 1} of {count})")


async def _check(gateway: Gateway, router: Router, provider: Provider) -> Finding:
    reason = _not_tried(provider)
    if reason:
        return Finding(provider=provider.name, ok=None, text=reason)
    models = models_to_try(router, provider)
    if not models:
        text = f"configured, but no model of it is known: list some as models in [providers.{provider.name}]"
        return Finding(provider=provider.name, ok=None, text=text)
    failure = await gateway.credentials.failure(provider)
    if failure is not None:
        return Finding(provider=provider.name, ok=False, text=failure.problem, remedy=failure.remedy)
    answered = []
    for model in models:
        finding, elapsed_ms = await _try(gateway, router, provider, model)
        if finding is not None:
            return finding
        answered.append(f"{model} answered in {elapsed_ms:.0f} ms")
    return Finding(provider=provider.name, ok=True, text=f"ok, {', '.join(answered)}")


async def _try(gateway: Gateway, router: Router, provider: Provider, model: str) -> tuple[Finding | None, float]:
    """What is wrong with a model, or nothing; and how long its answer took."""
    name = f"{provider.name}/{model}"
    reply = _CapturedReply()
    started = time.monotonic()
    await gateway.messages(_tiny_call(name, started), reply)
    elapsed_ms = (time.monotonic() - started) * 1000
    if reply.status == 200:
        return None, elapsed_ms
    remedy = _remedy(router.resolve(name).targets[0], reply)
    text = f"{model}: {told_error(reply.body).message}"
    return Finding(provider=provider.name, ok=False, text=text, remedy=remedy), elapsed_ms


def _not_tried(provider: Provider) -> str:
    if not usable(provider):
        return f"not configured: set {provider.credential.variable}"
    if provider.credential.client:
        return "takes each client's own key, so there is none to try here"
    return ""


def models_to_try(router: Router, provider: Provider) -> tuple[str, ...]:
    """The models that clients are sent to, else a small one of those that the provider offers; none where none is."""
    if sent_to := tuple(dict.fromkeys(_sent_to(router, provider))):
        return sent_to
    prefix = f"{provider.name}/"
    ids = [entry.id for entry in router.models()]
    offered = [id.removeprefix(prefix) for id in ids if id.startswith(prefix)]
    offered += [model for id in ids for model in _models_of(router, provider, id)]
    small = [model for model in offered if _SMALL.search(model)]
    return tuple((small or offered)[:1])


def _sent_to(router: Router, provider: Provider) -> Iterator[str]:
    for line in ("haiku", "sonnet", "opus", "fable"):
        name = LINE_MODELS[line]
        # Not every account may use the dearest of Claude's models; what an alias names, somebody wants to use.
        yield from (model for model in _models_of(router, provider, name) if line in _USUAL_LINES or model != name)


def _models_of(router: Router, provider: Provider, name: str) -> list[str]:
    """The models of a provider that a name stands for, first or as fallbacks."""
    try:
        targets = router.resolve(name).targets
    except ApiError:
        return []
    return [target.model for target in targets if target.provider.name == provider.name]


def _remedy(target: Target, reply: _CapturedReply) -> str:
    provider, model = target.provider, target.model
    of_cloud = _CLOUD_REMEDIES.get(provider.backend)
    if of_cloud is not None and (remedy := of_cloud(provider, model, reply.status)):
        return remedy
    built_in = provider.name in _BUILT_IN
    table = f"[providers.{provider.name}]"
    key = provider.credential.variable or f"api_key in {table}"
    base_url = f"{provider.name.upper()}_BASE_URL" if built_in else f"base_url in {table}"
    match reply.status:
        case 401 | 403:
            return f"look at {key}: the key is refused, or may not use {model}"
        case 402:
            return f"the account behind {key} has no credit left, or a spending limit was reached"
        case 404 if target.protocol == "openai_responses":
            return f"look at the model's name; or this server has no Responses API: set {_chat_setting(provider)}"
        case 404:
            return f"set SMALL_MODEL and BIG_MODEL, or models in {table}, to models that exist; or look at {base_url}"
        case 429:
            return "the key works, but its rate limit is reached: try again later"
        case 502 | 504:
            return f"look at {base_url} (now {provider.base_url}), the network and HTTPS_PROXY"
        case 500 | 503 | 529:
            return "the provider has trouble of its own: try again later"
        case _:
            return f"look at {base_url} (now {provider.base_url}) and at the model's name"


def _chat_setting(provider: Provider) -> str:
    """The setting that has a provider reached by Chat Completions."""
    return (
        "OPENAI_API=chat" if provider.name == "openai" else f'protocol = "openai_chat" in [providers.{provider.name}]'
    )


def _vertex_remedy(provider: Provider, model: str, status: int) -> str:
    match status:
        case 401 | 403 if provider.credential.login is not None:
            return (
                f"the login works, but may not use {model}: give its account the role roles/aiplatform.user in "
                "VERTEX_PROJECT, and run: gcloud services enable aiplatform.googleapis.com"
            )
        case 401 | 403:
            return "look at the API key: express mode takes keys of Vertex AI; a project takes VERTEX_PROJECT alone"
        case 404:
            return f"look at VERTEX_LOCATION: not every location has {model}; or at VERTEX_PROJECT and the model's name"
        case 502 | 504:
            return f"look at VERTEX_BASE_URL and VERTEX_LOCATION (now {provider.base_url}), the network and HTTPS_PROXY"
        case _:
            return ""


def _azure_remedy(provider: Provider, model: str, status: int) -> str:
    match status:
        case 401 | 403 if provider.credential.login is not None:
            return (
                f"the login works, but may not use {model}: give its identity the role Cognitive Services OpenAI User "
                "on the resource (az role assignment create); it takes some minutes to hold"
            )
        case 404:
            return (
                f"models are names of deployments, and there is none called {model}, or not in this region: run "
                "az cognitiveservices account deployment list, and look at the address"
            )
        case _:
            return ""


_CLOUD_REMEDIES: Mapping[str, Callable[[Provider, str, int], str]] = {"vertex": _vertex_remedy, "azure": _azure_remedy}


class _CapturedReply:
    """Keeps the answer; its client never leaves."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:  # noqa: ARG002  Reply names it
        self.status, self.body = status, body

    def prepare(self, status: int, headers: Headers) -> None: ...

    def start(self, status: int, headers: Headers) -> None:  # noqa: ARG002  Reply names it
        self.status = status

    async def write(self, data: bytes) -> None:
        self.body += data

    def push(self, data: bytes) -> bool:
        self.body += data
        return True

    async def end(self, data: bytes = b"") -> None:
        self.body += data

    def when_left(self, call: WhenLeft | None) -> None: ...


def _tiny_call(model: str, started: float) -> Call:
    body = {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": "Say ok."}]}
    headers = [(b"content-type", b"application/json"), (b"anthropic-version", b"2023-06-01")]
    return messages_call("req_check", msgspec.json.encode(body), headers, started)


def _line(finding: Finding) -> str:
    colour = {True: "green", False: "red", None: None}[finding.ok]
    text = f"{click.style(finding.provider, bold=True)}: {click.style(finding.text, fg=colour)}"
    return f"{text}\n  {finding.remedy}" if finding.remedy else text
