"""Ids of requests: `req_` and 24 letters or digits."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterator
from itertools import product

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX_LENGTH = 14
COUNTER_LENGTH = 10


class RequestIds:
    """A random prefix per process and a counter: unique without asking for randomness per request."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        prefix = "req_" + "".join(secrets.choice(ALPHABET) for _ in range(PREFIX_LENGTH))
        self.next: Callable[[], str] = _counted(prefix).__next__
        """An id that no other request of any process has."""


def _counted(prefix: str) -> Iterator[str]:
    # Counts in base 62; 62**10 ids outlive any process. Only the last letter changes in the usual step.
    for letters in product(ALPHABET, repeat=COUNTER_LENGTH - 1):
        stem = prefix + "".join(letters)
        for last in ALPHABET:
            yield stem + last
