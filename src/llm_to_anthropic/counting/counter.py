"""TokenCounter: counts off the event loop, within bounds of time and memory."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from llm_to_anthropic.counting.prompt import Prompt
from llm_to_anthropic.counting.sampling import decode_apart, is_slow_to_read, sampled_texts
from llm_to_anthropic.counting.templates import Template, template_of
from llm_to_anthropic.translators.request import check_text, decode_messages
from llm_to_anthropic.wire.anthropic import MessagesRequest

if TYPE_CHECKING:
    from tiktoken import Encoding

INLINE_BYTES = 64 * 1024
"""Larger requests are counted in a worker thread."""
PIECE = 16 * 1024
"""Characters per call of the tokeniser, which takes superlinear time over texts without a blank."""
MAX_CHARACTERS = 8 * 1024 * 1024
"""Longer texts are extrapolated from pieces that are spread evenly over them."""
BYTES_PER_TOKEN = 3.5
CACHE_ENTRIES = 256


class TokenCounter:
    """Counts of one process. The vocabulary is loaded at the first use, or by `load()`.

    `clock` gives seconds; once `budget_s` is used up the rest of a request is extrapolated. Where
    `load_encoding` fails, counts are estimates by bytes.
    """

    def __init__(
        self,
        *,
        budget_s: float = 1.5,
        clock: Callable[[], float] = time.monotonic,
        load_encoding: Callable[[], Encoding] | None = None,
    ) -> None:
        self._budget_s = budget_s
        self._clock = clock
        self._load_encoding = load_encoding or _load_o200k
        self._encoding: Encoding | None = None
        self._broken = False
        self._loading = Lock()
        self._cache = _Cache(CACHE_ENTRIES)
        # Own threads, two: a rush of large counts must not take those that resolve names.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="count")

    async def count_body(self, body: bytes, model: str = "") -> int:
        """Input tokens of a request as it came: a large one is not even read on the event loop.

        `model` is the upstream's name of the model, which tells its chat template. Raises ClientError.
        """
        if (self._encoding or self._broken) and len(body) <= INLINE_BYTES:
            return self._count_body(body, model)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._count_body, body, model)

    def _count_body(self, body: bytes, model: str) -> int:
        if is_slow_to_read(body):
            return self._count_sampled(body)
        request, texts = decode_apart(body)
        return self.count_now(request, model, texts)

    def _count_sampled(self, body: bytes) -> int:
        """An estimate: pieces of the body stand for the whole, whatever is text in it and whatever structure."""
        check_text(body)
        encoding = self.load()
        if encoding is None:
            return ceil(len(body) / BYTES_PER_TOKEN)
        deadline = self._clock() + self._budget_s
        seen = tokens = 0
        for text, size in sampled_texts(body, PIECE):
            if seen and self._clock() > deadline:
                break
            tokens += len(encoding.encode_ordinary(text))
            seen += size
        return max(1, ceil(tokens * len(body) / seen))

    def count_now(self, request: MessagesRequest, model: str = "", texts: Iterable[str] = ()) -> int:
        """As `count_body`, in the calling thread; `texts` belong to the messages, too."""
        encoding = self.load()
        if encoding is None:
            return self.estimate(request, model, texts)
        template = template_of(model)
        messages = decode_messages(request)
        tokeniser = _Tokeniser(encoding, self._clock, self._clock() + self._budget_s)
        stable = self._count_stable(request, template, tokeniser)
        prompt = Prompt(template)
        prompt.add_messages(messages)
        prompt.texts += texts
        prompt.add_settings(request)
        return max(1, template.priming + template.preamble + stable + prompt.fixed + tokeniser.count(prompt.texts))

    def estimate(self, request: MessagesRequest, model: str = "", texts: Iterable[str] = ()) -> int:
        """As `count_now`, by the texts' bytes: for where the vocabulary cannot be had."""
        template = template_of(model)
        prompt = _stable_prompt(request, template)
        prompt.add_messages(decode_messages(request))
        prompt.texts += texts
        prompt.add_settings(request)
        size = sum(len(text.encode("utf-8", "replace")) for text in prompt.texts)
        return max(1, template.priming + template.preamble + prompt.fixed + ceil(size / BYTES_PER_TOKEN))

    def close(self) -> None:
        """Ends the worker threads; a count under way is finished first."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def load(self) -> Encoding | None:
        """The vocabulary, loaded in the calling thread where it is not yet; None where it cannot be had."""
        with self._loading:
            if self._encoding is None and not self._broken:
                try:
                    self._encoding = self._load_encoding()
                except (ImportError, OSError, ValueError):
                    # No reason to fail a request: counting goes on by bytes.
                    self._broken = True
            return self._encoding

    def _count_stable(self, request: MessagesRequest, template: Template, tokeniser: _Tokeniser) -> int:
        # Agents send the same tools and system prompt with every turn.
        key = _digest(request, template)
        known = self._cache.get(key)
        if known is not None:
            return known
        prompt = _stable_prompt(request, template)
        count = prompt.fixed + tokeniser.count(prompt.texts)
        if not tokeniser.extrapolated:
            self._cache.put(key, count)
        return count


class _Tokeniser:
    """Counts the texts of one request until its time is up."""

    def __init__(self, encoding: Encoding, clock: Callable[[], float], deadline: float) -> None:
        self._encoding = encoding
        self._clock = clock
        self._deadline = deadline
        self.extrapolated = False

    def count(self, texts: list[str]) -> int:
        total = sum(map(len, texts))
        stride = ceil(total / MAX_CHARACTERS) or 1
        seen = tokens = 0
        for number, piece in enumerate(_pieces(texts)):
            if number % stride:
                continue
            if seen and self._clock() > self._deadline:
                break
            tokens += len(self._encoding.encode_ordinary(piece))
            seen += len(piece)
        if seen == total:
            return tokens
        self.extrapolated = True
        return ceil(tokens * total / seen)


class _Cache:
    """The counts used last, by digest."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._counts: OrderedDict[bytes, int] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes) -> int | None:
        with self._lock:
            if key in self._counts:
                self._counts.move_to_end(key)
            return self._counts.get(key)

    def put(self, key: bytes, count: int) -> None:
        with self._lock:
            self._counts[key] = count
            if len(self._counts) > self._entries:
                self._counts.popitem(last=False)


def _load_o200k() -> Encoding:
    # Imported late: the tokeniser costs time and memory that most processes never need.
    from llm_to_anthropic.counting.vocabulary import load_encoding  # noqa: PLC0415

    return load_encoding()


def _stable_prompt(request: MessagesRequest, template: Template) -> Prompt:
    prompt = Prompt(template)
    if request.system:
        prompt.add_system(request.system)
    if request.tools:
        prompt.add_tools(request.tools)
    return prompt


def _digest(request: MessagesRequest, template: Template) -> bytes:
    data = msgspec.json.encode((template.models, request.system, request.tools))
    return hashlib.blake2b(data, digest_size=16).digest()


def _pieces(texts: list[str]) -> Iterator[str]:
    for text in texts:
        for start in range(0, len(text), PIECE):
            yield text[start : start + PIECE]
