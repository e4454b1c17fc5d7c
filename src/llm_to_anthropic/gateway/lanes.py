"""What is known of the places where requests can go: which cool down, which are broken, whose turn it is.

A lane is one target by one key of its provider: the unit that cools and breaks. State of one process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import inf

from llm_to_anthropic.gateway.backoff import RetryBudget
from llm_to_anthropic.gateway.breaker import Circuit
from llm_to_anthropic.gateway.judgement import Scope
from llm_to_anthropic.providers.provider import Target
from llm_to_anthropic.settings import Retries

MAX_TARGETS = 1024
"""Model names come from clients, so what is remembered of them needs a bound."""
LONG_S = 600.0
"""How long a key without credit, or a model that does not exist or is not allowed, is left alone."""
SHORT_S = 5.0
"""The same for a rate limit that does not say how long."""


class _Cooling:
    """Something that is left alone until a time."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until = 0.0

    def extend(self, until: float) -> None:
        self.until = max(self.until, until)


class ProviderLoad:
    """What a provider is busy with."""

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running = 0
        """Requests, by whatever key and model."""


class Lane:
    """One target by one key."""

    __slots__ = ("_key", "_model", "_own", "budget", "circuit", "key", "load", "target")

    def __init__(
        self,
        target: Target,
        key: int,
        shared: tuple[RetryBudget, ProviderLoad],
        chance: Callable[[], float],
        cooling: tuple[_Cooling, ...],
    ) -> None:
        self.target = target
        self.key = key
        """The position among the keys of the provider."""
        self.budget, self.load = shared
        self.circuit = Circuit(chance)
        self._own = _Cooling()
        self._key, self._model = cooling

    @property
    def clients_key(self) -> bool:
        """The key is the client's own."""
        return self.target.provider.credential.client

    def admit(self, now: float) -> bool:
        """Whether a request may go here now; it may become the probe of the circuit."""
        if self._own.until > now or self._key.until > now or self._model.until > now:
            return False
        circuit = self.circuit
        return not circuit.open or circuit.admit(now)

    def ready_at(self) -> float:
        """From when on a request may go here."""
        return max(self._own.until, self._key.until, self._model.until, self.circuit.ready_at)

    def cool(self, scope: Scope, now: float, wait_s: float | None) -> bool:
        """Leaves the scope alone; `wait_s` is what the upstream asks for. True where a key is now out of use."""
        if self.clients_key:
            return False  # every client has its own key: what happens to one is no concern of the others
        match scope:
            case "lane":
                self._own.extend(now + (SHORT_S if wait_s is None else wait_s))
            case "lane for long":
                self._own.extend(now + LONG_S)
            case "key":
                self._key.extend(now + LONG_S)
            case "key for good":
                fresh = self._key.until < inf
                self._key.extend(inf)
                return fresh
            case "model":
                self._model.extend(now + LONG_S)
        return False

    def out_of_use(self, status: int) -> str:
        """The sentence for a key that was refused."""
        provider = self.target.provider
        keys = len(provider.credential.keys)
        which = f"key {self.key + 1} of {keys}" if keys > 1 else "the key"
        return (
            f"provider {provider.name} refuses {which} ({status}): it is used no more while another can answer; "
            f"set {provider.credential.variable or 'api_key'} to a valid one and start the proxy again"
        )


class Lanes:
    """The lanes of all targets, made when first needed."""

    def __init__(self, chance: Callable[[], float], retries: Retries) -> None:
        self._chance = chance
        self._retries = retries
        self._of_targets: dict[tuple[str, str], _Fan] = {}
        self._keys: dict[tuple[str, int], _Cooling] = {}
        self._shared: dict[str, tuple[RetryBudget, ProviderLoad]] = {}
        """By provider, whatever the model and key."""

    def first(self, targets: Sequence[Target], now: float) -> Lane:
        """The lane for a new request. Where every one is closed it is the one that is ready soonest: never none."""
        target = targets[0]
        fan = self._of_targets.get((target.provider.name, target.model))
        if fan is not None and fan.only is not None and fan.only.admit(now):
            return fan.only  # as nearly always
        lane = self.open_one(targets, now)
        if lane is None:
            lane = min((lane for target in targets for lane in self._of(target).lanes), key=Lane.ready_at)
            lane.circuit.force()
        return lane

    def open_one(self, targets: Sequence[Target], now: float, *, but: Lane | None = None) -> Lane | None:
        """The first lane of targets, in their order, that admits a request."""
        for target in targets:
            lane = self._of(target).take_turn(now, but)
            if lane is not None:
                return lane
        return None

    def is_ready(self, targets: Sequence[Target], now: float) -> bool:
        """Whether one of the targets would admit a request; none is taken up."""
        return any(lane.ready_at() <= now for target in targets for lane in self._of(target).lanes)

    def steady(self, targets: Sequence[Target], now: float) -> Lane:
        """A lane for a request on the side, which does not serve as a probe."""
        lanes = [lane for target in targets for lane in self._of(target).lanes]
        return next((lane for lane in lanes if lane.ready_at() <= now), lanes[0])

    def open_circuits(self) -> Counter[str]:
        """How many lanes of each provider the breaker leaves alone."""
        fans = self._of_targets.items()
        return Counter(provider for (provider, _), fan in fans for lane in fan.lanes if lane.circuit.open)

    def _of(self, target: Target) -> _Fan:
        key = (target.provider.name, target.model)
        fan = self._of_targets.get(key)
        if fan is None:
            if len(self._of_targets) >= MAX_TARGETS:
                del self._of_targets[next(iter(self._of_targets))]
            fan = self._of_targets[key] = self._make(target)
        return fan

    def _make(self, target: Target) -> _Fan:
        provider = target.provider
        model = _Cooling()
        shared = self._shared.setdefault(provider.name, (RetryBudget(self._retries), ProviderLoad()))
        keys = [
            self._keys.setdefault((provider.name, number), _Cooling())
            for number in range(len(provider.credential.keys) or 1)
        ]
        lanes = [Lane(target, number, shared, self._chance, (cooling, model)) for number, cooling in enumerate(keys)]
        return _Fan(lanes)


class _Fan:
    """The lanes of one target, one for each key, used in turn."""

    __slots__ = ("_next", "lanes", "only")

    def __init__(self, lanes: list[Lane]) -> None:
        self.lanes = lanes
        self.only = lanes[0] if len(lanes) == 1 else None
        self._next = 0

    def take_turn(self, now: float, but: Lane | None) -> Lane | None:
        lanes = self.lanes
        for step in range(len(lanes)):
            position = (self._next + step) % len(lanes)
            lane = lanes[position]
            if lane is not but and lane.admit(now):
                self._next = (position + 1) % len(lanes)
                return lane
        return None
