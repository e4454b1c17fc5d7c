"""A stream of Chat Completions in pieces, and the events that a client gets of its text."""

from __future__ import annotations

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
EVENTS = ["message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop"]
