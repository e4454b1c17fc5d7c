"""Message batches: only Anthropic has them, so every request of one must go there."""

from __future__ import annotations

import asyncio
import re

import msgspec
from msgspec import Raw

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.gateway.call import Call
from llm_to_anthropic.providers.provider import Provider
from llm_to_anthropic.routing import Router
from llm_to_anthropic.translators.anthropic import drop_carriers, replace_model
from llm_to_anthropic.translators.raw import raw_json
from llm_to_anthropic.wire import UNREADABLE
from llm_to_anthropic.wire.anthropic import Envelope

_RESULTS_URL = re.compile(rb'("results_url"\s*:\s*")[^"]*?(\\?/v1\\?/messages\\?/batches\\?/)')
"""Some gateways escape each slash, as JSON allows."""

AT_ONCE = 32
"""How many requests of a batch are read before others have their turn: each new name takes 0.1 ms."""


async def check_batch(body: bytes, router: Router, provider: Provider) -> bytes:
    """The body of a new batch as a request alone would be sent: with its models' real names, and without our carriers.

    `provider` is where it goes. Raises ClientError for a model of another.
    """
    try:
        batch = msgspec.json.decode(body, type=dict[str, Raw])
        requests = msgspec.json.decode(batch["requests"], type=list[dict[str, Raw]])
        edited = await _resolved_all(requests, router, provider)
    except (KeyError, *UNREADABLE):
        return body  # malformed: Anthropic says it best
    if not edited:
        return body
    batch["requests"] = raw_json(requests)
    return msgspec.json.encode(batch)


async def _resolved_all(requests: list[dict[str, Raw]], router: Router, provider: Provider) -> bool:
    """Edits requests in place; True if anything of them changed."""
    edited = False
    for index, request in enumerate(requests):
        edited |= _resolved(request, index, router, provider)
        if index % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
    return edited


def _resolved(request: dict[str, Raw], index: int, router: Router, provider: Provider) -> bool:
    """Edits one request in place; True if anything of it changed."""
    params = bytes(request["params"])
    requested = msgspec.json.decode(params, type=Envelope).model
    target = router.resolve(requested).targets[0]
    if target.provider.name != provider.name:
        served = f"models of {provider.name}" if target.protocol == "anthropic" else "Anthropic models"
        raise ClientError(
            f"Message Batches are only available for {served} on this proxy: "
            f"requests.{index}.params.model {requested!r} goes to {target.provider.name}/{target.model}"
        )
    edited = drop_carriers(replace_model(params, target.model, was=requested))
    request["params"] = Raw(edited)
    return edited is not params


def local_results_url(body: bytes, call: Call) -> bytes:
    """The same body with the addresses of results at this proxy, wherever they were.

    A client fetches `results_url` with its own key, which must not reach anybody else: an upstream that is a gateway
    may well name Anthropic there, and not itself.
    """
    host = call.header(b"host")
    if not host:
        return body
    # Each server on the way may have added its own; the first one is the client's.
    scheme = call.header(b"x-forwarded-proto").partition(",")[0].strip().lower()
    here = f"{'https' if scheme == 'https' else 'http'}://{host}".encode()
    return _RESULTS_URL.sub(lambda found: found[1] + here + found[2], body)
