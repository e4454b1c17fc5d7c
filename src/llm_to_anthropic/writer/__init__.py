"""The message writer: the only code that emits Anthropic stream events, and the owner of every rule of their order.

Two writers share the rules: one emits events, the other builds the whole message, so that both always agree.
"""

from llm_to_anthropic.writer.sound import block_text, sound
from llm_to_anthropic.writer.stream import DELTA_TAIL, PING, StreamWriter, error_event
from llm_to_anthropic.writer.whole import WholeWriter, text_message
from llm_to_anthropic.writer.writer import MAX_HELD, MessageWriter, held_too_much

__all__ = [
    "DELTA_TAIL",
    "MAX_HELD",
    "PING",
    "MessageWriter",
    "StreamWriter",
    "WholeWriter",
    "block_text",
    "error_event",
    "held_too_much",
    "sound",
    "text_message",
]
