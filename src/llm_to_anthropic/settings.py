"""The validated settings of one server, frozen. config/ makes them; everything else only reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from llm_to_anthropic.providers.provider import Provider, Secret
from llm_to_anthropic.providers.timeouts import CallTimeouts

PreferredProvider = Literal["openai", "google", "anthropic"]


class Timeouts(CallTimeouts, frozen=True, kw_only=True):
    """Seconds: those of every request to an upstream, and the server's own."""

    commit_after_s: float = 10.0
    """Silence after which a streaming client is answered 200, so that pings can flow."""
    ping_s: float = 10.0
    """Silence after which a ping is sent."""
    header_s: float = 10.0
    """A client's request head must be complete by then."""
    body_s: float = 30.0
    """A client's body: silence for so long ends the request, and so does less than 32 KiB/s after so long."""
    queue_s: float = 5.0
    """A request may wait for a place so long."""
    drain_s: float = 30.0
    """Running requests may finish so long after SIGTERM."""
    pre_stop_s: float = 0.0
    """After SIGTERM the server is not ready, but goes on accepting for so long: load balancers need time to notice."""


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """What is tried again, as long as nothing was sent to the client."""

    max_retries: int = 2
    """Of one target, with growing pauses; 0: none, the client is left to try again."""
    max_share: float = 0.2
    """Retries per request of the same provider within 10 seconds; three, or `max_retries`, are always allowed."""
    max_wait_s: float = 20.0
    """One request waits so long, all in all, where upstreams say when to come back; beyond that the next target
    answers, or the client is told."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may send, and what one process takes on."""

    max_body_bytes: int = 32 * 1024 * 1024
    max_headers: int = 100
    max_header_bytes: int = 64 * 1024
    max_connections: int = 2048
    """In one process."""
    max_connections_per_peer: int = 256
    """From one address other than this machine's; 0: no limit, for a server behind a reverse proxy."""
    max_running: int = 1536
    """Requests that run at once."""
    max_queued: int = 64
    """Requests that wait for a place, each for `queue_s` at most; those beyond are refused with 529."""
    max_running_per_key: int = 0
    """Of one client key, or of one address where there are no client keys; 0: no limit of its own."""
    max_memory_bytes: int = 0
    """What one process may use; 0: its part of the container's limit, if there is one."""


HASHED = "sha256:"
"""A client key of which only the SHA-256 is known begins so; 64 hexadecimal digits follow."""


class ClientKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that clients may present: itself, or its hash (`sha256:...`)."""

    secret: Secret
    name: str = ""
    """What the log calls whoever has it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is configured."""

    host: str = "0.0.0.0"  # noqa: S104  users of this proxy expect it; see http/access.py for who is served
    port: int = 8082
    workers: int = 1
    verbose: bool = False
    preferred_provider: PreferredProvider = "openai"
    big_model: str = ""
    """Target of opus, sonnet and fable; empty: the client's name is kept (Anthropic)."""
    small_model: str = ""
    """Target of haiku."""
    providers: Mapping[str, Provider]
    """By name: openai, gemini, anthropic and the configured ones, in that order. Those without a usable
    credential are listed too, so that errors can name the variable to set (`Credential.variable`)."""
    aliases: Mapping[str, tuple[str, ...]]
    """[models]: name or wildcard -> "provider/model", the first primary."""
    client_keys: tuple[ClientKey, ...] = ()
    """PROXY_API_KEYS: keys that clients must present."""
    allow_unauthenticated: bool = False
    allowed_hosts: tuple[str, ...] = ()
    """Host names under which this server may be addressed, beside loopback names, its address and bare IPs."""
    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may call (CORS); empty: none."""
    strict: bool = False
    """Losses of translation are refused with a 400."""
    fetch_urls: bool = False
    """Images and documents by URL are fetched for upstreams that do not fetch them."""
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    limits: Limits = Limits()
    files: tuple[str, ...] = ()
    """What all this was read from, keys' files included: when one changes, it is read anew."""
    key_files: tuple[str, ...] = ()
    """Those of them that hold keys alone. The next request uses what they hold now."""
    warnings: tuple[str, ...] = ()
    """Sentences to print at start: no key at all, open access, a world-readable key file."""
