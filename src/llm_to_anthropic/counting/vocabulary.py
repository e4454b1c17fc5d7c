"""The o200k vocabulary: a data file of the wheel, so that counting works offline."""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib.resources import files

import tiktoken

SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
"""The digest of the decompressed file, as tiktoken expects it (tiktoken_ext/openai_public.py, o200k_base)."""

_UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
SPLIT = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_ENDING}",
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_ENDING}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
"""How o200k cuts a text into words before it merges bytes (same source)."""


def read_vocabulary() -> bytes:
    """The vocabulary file, checked. Raises ValueError where it is not the one that tiktoken expects."""
    data = gzip.decompress((files("llm_to_anthropic") / "data" / "o200k_base.tiktoken.gz").read_bytes())
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError("The o200k vocabulary in this installation is damaged: reinstall llm-to-anthropic.")
    return data


def load_encoding() -> tiktoken.Encoding:
    """Takes about 0.4 s and 90 MB: for a worker thread, once per process.

    Built from its parts: `tiktoken.get_encoding` would download. No special tokens, so that users' texts
    that look like them count as plain text.
    """
    lines = (line.split() for line in read_vocabulary().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return tiktoken.Encoding("o200k_base", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
