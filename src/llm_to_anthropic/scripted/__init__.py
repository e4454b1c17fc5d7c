"""A scripted upstream on loopback that speaks the real wire protocols: for `demo` and for tests.

It owns a small HTTP server, scripts of answers, and the wire forms of OpenAI Chat Completions, OpenAI Responses and
Anthropic Messages. It imports nothing of the proxy, so that it can judge it.
"""

from llm_to_anthropic.scripted.conversation import Conversation
from llm_to_anthropic.scripted.line import Line, ToolCall
from llm_to_anthropic.scripted.script import (
    Answer,
    Cut,
    Delay,
    Pause,
    Request,
    Reset,
    Responder,
    Script,
    Stall,
    Step,
    Trickle,
    never,
    stream,
    whole,
)
from llm_to_anthropic.scripted.server import ScriptedUpstream

__all__ = [
    "Answer",
    "Conversation",
    "Cut",
    "Delay",
    "Line",
    "Pause",
    "Request",
    "Reset",
    "Responder",
    "Script",
    "ScriptedUpstream",
    "Stall",
    "Step",
    "ToolCall",
    "Trickle",
    "never",
    "stream",
    "whole",
]
