"""Gathers what a request loses on its way, and refuses it in strict mode."""

from __future__ import annotations

from llm_to_anthropic.errors import ClientError
from llm_to_anthropic.exchange import Loss


class LossReport:
    """The losses of one request, in the order of their discovery."""

    def __init__(self, *, strict: bool, model: str) -> None:
        self.losses: list[Loss] = []
        self.model = model
        """The client's name of the model, for the sentences that refuse what it cannot take."""
        self._strict = strict
        self._refused: list[Loss] = []

    def lose(self, path: str, note: str) -> None:
        """Reports a part of the request that does not reach the upstream, though it may matter to the answer."""
        self.losses.append(Loss(path, note))
        self._refused.append(self.losses[-1])

    def mention(self, path: str, note: str) -> None:
        """Reports a change that is no reason to refuse, not even in strict mode."""
        self.losses.append(Loss(path, note))

    def repair(self, path: str, note: str, wording: str) -> None:
        """Reports what was mended in a broken history. Strict mode refuses it, with Anthropic's `wording`."""
        if self._strict:
            raise ClientError(wording)
        self.losses.append(Loss(path, note))

    def check(self) -> None:
        """Raises ClientError in strict mode if anything was lost; names all of it."""
        if not self._strict or not self._refused:
            return
        named = "; ".join(f"{loss.path}: {loss.note}" for loss in self._refused)
        raise ClientError(
            f"Strict mode refuses what cannot be carried over to this model. {named}",
            details={"losses": [loss.path for loss in self._refused]},
        )
