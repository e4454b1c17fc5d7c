"""The HTTP client seam: one request out, status, headers and slices of the answer's body in.

It owns connections, time limits, TLS trust and proxies; it knows nothing of models or protocols above HTTP.
"""

from llm_to_anthropic.upstream.call import UpstreamCall
from llm_to_anthropic.upstream.client import Upstream
from llm_to_anthropic.upstream.fetching import Fetched, Fetcher, NotFetched
from llm_to_anthropic.upstream.request import OutgoingRequest

__all__ = ["Fetched", "Fetcher", "NotFetched", "OutgoingRequest", "Upstream", "UpstreamCall"]
