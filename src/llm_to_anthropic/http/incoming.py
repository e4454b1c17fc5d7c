"""One HTTP request on its way through the checks."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import Receive, Scope

from llm_to_anthropic.http.reply import HttpReply


class Incoming:
    """What is known of a request before it becomes a call."""

    __slots__ = ("found", "handed_over", "keys", "receive", "reply", "scope", "started")

    def __init__(self, scope: Scope, receive: Receive, reply: HttpReply, started: float) -> None:
        self.scope = scope
        self.receive = receive
        self.reply = reply
        self.started = started
        self.found: Mapping[bytes, bytes] = dict(scope["headers"])
        """Headers by lower-case name, the last of repeated ones."""
        self.keys: tuple[bytes, ...] = ()
        """Names of the headers that carried a valid client key."""
        self.handed_over = False
        """The gateway has it, and records it."""
