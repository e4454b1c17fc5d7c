"""`translate`: what a request becomes upstream, and what is lost on the way. Nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import click
import msgspec

from llm_to_anthropic.config import loading
from llm_to_anthropic.config.sources import here
from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.exchange import Loss
from llm_to_anthropic.gateway.call import messages_call
from llm_to_anthropic.gateway.client_request import API_VERSIONS, client_request, decode_envelope
from llm_to_anthropic.gateway.passthrough import vertex_path
from llm_to_anthropic.providers.provider import Credential, Route, Secret, Target, target_url
from llm_to_anthropic.routing import Router
from llm_to_anthropic.settings import Settings
from llm_to_anthropic.translators.anthropic import drop_carriers, for_vertex, replace_model
from llm_to_anthropic.translators.api_choice import fitting_target
from llm_to_anthropic.translators.registry import make_translator
from llm_to_anthropic.translators.translator import Learned, UpstreamRequest


def run_translate(body: bytes, target: str, *, stream: bool | None, flags: Mapping[str, object]) -> int:
    """Prints the upstream request and every loss; the exit code. Raises ProxyError."""
    settings = without_credentials(loading.load(flags, os.environ, here()))
    if stream is not None:
        body = _with_stream(body, stream)
    route = Router(settings).resolve(target)
    encoded, losses = encode(body, route)
    click.echo("\n".join(_report(encoded, route, losses)))
    return 0


def without_credentials(settings: Settings) -> Settings:
    """The same providers, all of them usable and none with a real key: nothing is sent, so none is needed."""
    stand_in = Credential(key=Secret("unused"))
    providers = {
        name: msgspec.structs.replace(provider, credential=stand_in) for name, provider in settings.providers.items()
    }
    return msgspec.structs.replace(settings, providers=providers)


def encode(body: bytes, route: Route) -> tuple[UpstreamRequest, Sequence[Loss]]:
    """The request for the route's first target. Raises ClientError for what cannot be sent at all."""
    envelope = decode_envelope(body)
    target = route.targets[0]
    if target.protocol == "anthropic":
        return _passed_on(body, target, stream=envelope.stream is True), ()
    route = msgspec.structs.replace(route, requested=envelope.model)
    asked = client_request(messages_call("req_translate", body, []), route, stream=envelope.stream is True)
    translator = make_translator(asked, fitting_target(target, body), Learned())
    return translator.encode(), translator.losses


def _passed_on(body: bytes, target: Target, *, stream: bool) -> UpstreamRequest:
    body = drop_carriers(replace_model(body, target.model))
    json: tuple[bytes, bytes] = (b"content-type", b"application/json")
    if target.provider.backend == "vertex":
        return UpstreamRequest(path=vertex_path(target.model, stream=stream), headers=(json,), body=for_vertex(body))
    version = (b"anthropic-version", API_VERSIONS[0].encode())
    return UpstreamRequest(path="/v1/messages", headers=(json, version), body=body)


def _with_stream(body: bytes, stream: bool) -> bytes:  # noqa: FBT001  it is the field's value
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError(f"the request is not a JSON object: {error}") from error
    fields["stream"] = msgspec.Raw(b"true" if stream else b"false")
    return msgspec.json.encode(fields)


def _report(encoded: UpstreamRequest, route: Route, losses: Sequence[Loss]) -> list[str]:
    url = target_url(route.targets[0], encoded.path)
    return [
        f"{click.style(encoded.method, bold=True)} {url}",
        *(f"{name.decode()}: {value.decode()}" for name, value in encoded.headers),
        click.style("(credentials are left out)", dim=True),
        "",
        msgspec.json.format(encoded.body, indent=2).decode(),
        "",
        *_told(losses),
    ]


def _told(losses: Sequence[Loss]) -> list[str]:
    if not losses:
        return [click.style("Nothing is lost.", fg="green")]
    title = "1 loss:" if len(losses) == 1 else f"{len(losses)} losses:"
    return [click.style(title, fg="yellow"), *(f"  {loss.path}: {loss.note}" for loss in losses)]
