"""Counts a request's input tokens offline, for upstreams that have no counting endpoint.

Knows Anthropic's requests and how chat templates lay them out; it knows no provider and no socket.
"""

from llm_to_anthropic.counting.counter import TokenCounter

__all__ = ["TokenCounter"]
