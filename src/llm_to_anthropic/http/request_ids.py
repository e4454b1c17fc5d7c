"""Ids of requests: `req_` and 24 letters or digits."""

from __future__ import annotations

import secrets
import string
from itertools import product

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX_LENGTH = 14
TAIL_LENGTH = 10


class RequestIds:
    """A random prefix per process and a counter: unique without asking for randomness per request."""

    __slots__ = ("_prefix", "_tails")

    def __init__(self) -> None:
        self._prefix = "req_" + "".join(secrets.choice(ALPHABET) for _ in range(PREFIX_LENGTH))
        # Counts in base 62; 62**10 ids outlive any process.
        self._tails = product(ALPHABET, repeat=TAIL_LENGTH)

    def next(self) -> str:
        """An id that no other request of any process has."""
        return self._prefix + "".join(next(self._tails))
