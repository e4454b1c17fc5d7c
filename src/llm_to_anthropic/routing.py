"""Model name -> route: which provider and upstream model answer for a name, in which order.

Pure: it reads the settings once and knows nothing of requests, sockets or protocols.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from llm_to_anthropic.errors import NOT_RETRIED, ApiError, ClientError
from llm_to_anthropic.providers.catalog import limits_for
from llm_to_anthropic.providers.gemini_families import gemini_quirks_for
from llm_to_anthropic.providers.openai_apis import served_by
from llm_to_anthropic.providers.presets import chat_quirks_for, preset_of
from llm_to_anthropic.providers.provider import ModelLimits, Protocol, Provider, Route, Target
from llm_to_anthropic.providers.responses_families import responses_quirks_for
from llm_to_anthropic.providers.timeouts import call_timeouts
from llm_to_anthropic.settings import PreferredProvider, Settings

Line = Literal["haiku", "sonnet", "opus", "fable"]

LINE_MODELS: Mapping[Line, str] = {
    "opus": "claude-opus-5-5",
    "sonnet": "claude-sonnet-5-5",
    "haiku": "claude-haiku-5-5",
    "fable": "claude-fable-5-2",
}
"""The name that Claude Code sends for each of its model lines, as of November 2026."""

DEFAULT_MODELS: Mapping[PreferredProvider, tuple[str, str]] = {
    "openai": ("gpt-4.1", "gpt-4.1-mini"),
    "google": ("gemini-2.5-pro", "gemini-2.5-flash"),
    "anthropic": ("", ""),
}
"""BIG_MODEL and SMALL_MODEL where none are set; empty: the client's name is kept."""

PREFERRED_NAMES: Mapping[PreferredProvider, str] = {"openai": "openai", "google": "gemini", "anthropic": "anthropic"}
"""The provider that each value of PREFERRED_PROVIDER means."""

_SYNONYMS = {"google": "gemini", "models": "gemini"}
_LINE = re.compile(r"(?<![a-z])(haiku|sonnet|opus|fable)(?![a-z])", re.IGNORECASE)
_SUFFIX = re.compile(r"\[[^\[\]]*\]$")
_FAMILIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(gpt-|chatgpt-|o[0-9])", re.IGNORECASE), "openai"),
    (re.compile(r"gemini-", re.IGNORECASE), "gemini"),
    (re.compile(r"claude-", re.IGNORECASE), "anthropic"),
)
_PICKER = "anthropic-"
_MAX_CACHED = 1024
_MAX_NAMED = 200
MAX_NAME = 1024
"""Characters of a model's name. Clients choose names, and much is remembered by them."""


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One model of GET /v1/models. Limits are tokens; None: not known."""

    id: str
    display_name: str
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    line: Line | None = None
    """The line of Claude models that this name stands for, with capabilities to match."""


def usable(provider: Provider) -> bool:
    """Whether requests may go to a provider: it has a key or a login, takes the client's key, or needs none."""
    credential = provider.credential
    return bool(credential.key) or credential.client or credential.login is not None or not credential.variable


def no_name(model: str) -> ClientError:
    """Why a text cannot be a model's name."""
    return ClientError(f"model: has more than {MAX_NAME} characters" if model else "model: must not be empty")


class Router:
    """Resolves model names by the configured rules; remembers what it resolved."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._preferred = PREFERRED_NAMES[settings.preferred_provider]
        self._wildcards = _by_specificity(settings.aliases)
        self._listed = self._list_names()
        self._cache: dict[str, Route] = {}
        self._models = tuple(self._entries())
        self._labels = frozenset((*(entry.id for entry in self._models), *self._listed, *settings.aliases))

    def resolve(self, model: str) -> Route:
        """The targets for a model name, the primary first.

        Raises: ClientError (404 not_found_error) for a name that nobody knows; ApiError (503) where the
        provider lacks its key, naming the variable to set.
        """
        route = self._cache.get(model)
        if route is None:
            route = self._route(model)
            if len(self._cache) >= _MAX_CACHED:
                del self._cache[next(iter(self._cache))]
            self._cache[model] = route
        return route

    def models(self) -> tuple[ModelEntry, ...]:
        """What GET /v1/models lists: Claude's names first, then aliases, then each provider's models."""
        return self._models

    def entry(self, model: str) -> ModelEntry:
        """One model by its id, listed or not.

        Raises: as `resolve`.
        """
        for listed in self._models:
            if listed.id == model:
                return listed
        return _entry(model, self.resolve(model).targets[0])

    def label(self, model: str) -> str:
        """What stands for a model name where the configuration, and not clients, must bound how many there are.

        That is the name where somebody listed it, the pattern that it fits, or `other`.
        """
        name = _SUFFIX.sub("", model).strip()
        if name in self._labels:
            return name
        pattern = next((pattern for pattern, _ in self._wildcards if fnmatchcase(name, pattern)), "")
        line = _line_of(name)
        return pattern or (f"*{line}*" if line else "other")

    def ready(self, trouble: Callable[[Provider], str] = lambda _: "") -> tuple[bool, dict[str, object]]:
        """Whether any provider can be used, and what each of them lacks. Holds no secrets.

        `trouble` tells what is wrong with a provider's credentials now; nothing where all is well.
        """
        states = {
            name: self._missing(provider) or trouble(provider) or "ok"
            for name, provider in self._settings.providers.items()
        }
        return "ok" in states.values(), {"providers": states}

    def _route(self, model: str) -> Route:
        if len(model) > MAX_NAME:
            raise no_name(model)
        name = _SUFFIX.sub("", model).strip()
        specs = self._specs(name) if name else ()
        if not specs:
            raise self._unknown(model)
        targets = tuple(self._target(provider, upstream) for provider, upstream in specs if usable(provider))
        if not targets:
            raise self._no_key(specs[0][0], self._preferable() if specs[0] == self._line(name) else "")
        return Route(requested=model, targets=targets, strict=self._settings.strict)

    def _specs(self, name: str) -> tuple[tuple[Provider, str], ...]:
        """The rules, in order; the first that applies decides. Empty: none does."""
        aliased = self._aliased(name)
        if aliased:
            return aliased
        rules: tuple[Callable[[str], tuple[Provider, str] | None], ...] = (
            self._prefixed,
            self._picked,
            self._line,
            self._family,
            self._listed.get,
            self._keyless_family,
        )
        for rule in rules:
            spec = rule(name)
            if spec is not None:
                return (spec,)
        return ()

    def _aliased(self, name: str) -> tuple[tuple[Provider, str], ...]:
        targets = self._settings.aliases.get(name)
        if targets is None:
            targets = next((to for pattern, to in self._wildcards if fnmatchcase(name, pattern)), ())
        return tuple(spec for spec in map(self._prefixed, targets) if spec is not None)

    def _prefixed(self, name: str) -> tuple[Provider, str] | None:
        """`provider/model`, with google/ and models/ as other words for gemini/."""
        head, slash, rest = name.partition("/")
        if not slash or not rest:
            return None
        head = head.lower()
        providers = self._settings.providers
        provider = providers.get(head) or providers.get(_SYNONYMS.get(head, ""))
        return (provider, _bare(provider, rest)) if provider else None

    def _picked(self, name: str) -> tuple[Provider, str] | None:
        """`anthropic-PROVIDER-MODEL`: the spelling under which Claude Code's picker shows other models."""
        if not name.startswith(_PICKER):
            return None
        rest = name[len(_PICKER) :]
        # The longest first: a provider's name may be the beginning of another's.
        for provider in sorted(self._settings.providers.values(), key=lambda one: -len(one.name)):
            head = provider.name + "-"
            if rest.startswith(head) and len(rest) > len(head):
                return provider, _bare(provider, rest[len(head) :])
        return None

    def _line(self, name: str) -> tuple[Provider, str] | None:
        line = _line_of(name)
        provider = self._settings.providers.get(self._preferred)
        if line is None or provider is None:
            return None
        model = self._line_model(line)
        if not model:
            return provider, name
        return self._prefixed(model) or (provider, model)

    def _line_model(self, line: Line) -> str:
        settings = self._settings
        big, small = DEFAULT_MODELS[settings.preferred_provider]
        return (settings.small_model or small) if line == "haiku" else (settings.big_model or big)

    def _family(self, name: str) -> tuple[Provider, str] | None:
        spec = self._keyless_family(name)
        return spec if spec is not None and usable(spec[0]) else None

    def _keyless_family(self, name: str) -> tuple[Provider, str] | None:
        """The family's provider even without a key: the refusal then names the variable to set."""
        for pattern, provider_name in _FAMILIES:
            provider = self._settings.providers.get(provider_name)
            if provider is not None and pattern.match(name):
                return provider, name
        return None

    def _list_names(self) -> dict[str, tuple[Provider, str]]:
        """Bare names that somebody configured: BIG_MODEL, SMALL_MODEL and each provider's models."""
        names: dict[str, tuple[Provider, str]] = {}
        for provider in self._settings.providers.values():
            for model in provider.models:
                if model not in names or not usable(names[model][0]):
                    names[model] = (provider, model)
        preferred = self._settings.providers.get(self._preferred)
        for model in (self._settings.big_model, self._settings.small_model):
            if model and preferred is not None and self._prefixed(model) is None:
                names.setdefault(model, (preferred, model))
        return names

    def _entries(self) -> Iterator[ModelEntry]:
        seen: set[str] = set()
        for name, (provider, model) in self._named():
            if name not in seen:
                seen.add(name)
                yield _entry(name, self._target(provider, model))

    def _named(self) -> Iterator[tuple[str, tuple[Provider, str]]]:
        for name in (*LINE_MODELS.values(), *self._settings.aliases):
            # A wildcard is a rule, not a name that a client could send.
            specs = () if name in dict(self._wildcards) else self._specs(name)
            if specs:
                yield name, next((spec for spec in specs if usable(spec[0])), specs[0])
        for provider in filter(usable, self._settings.providers.values()):
            for model in self._offered(provider):
                yield f"{provider.name}/{model}", (provider, model)
                if not model.startswith("claude"):
                    yield f"{_PICKER}{provider.name}-{model}", (provider, model)

    def _offered(self, provider: Provider) -> tuple[str, ...]:
        if provider.models:
            return provider.models
        preset = preset_of(provider)
        own = tuple(model for of, model in self._listed.values() if of is provider)
        return tuple(dict.fromkeys((*own, *(preset.models if preset else ()))))

    def _target(self, provider: Provider, model: str) -> Target:
        return self._limited(_target(provider, model))

    def _limited(self, target: Target) -> Target:
        """The target with its time limits."""
        timeouts = call_timeouts(self._settings.timeouts, target.provider.timeouts, reasons=target.reasons)
        other = target.for_server_tools
        return msgspec.structs.replace(
            target, timeouts=timeouts, for_server_tools=None if other is None else self._limited(other)
        )

    def _unknown(self, model: str) -> ClientError:
        known = [entry.id for entry in self._models]
        some = get_close_matches(model[:_MAX_NAMED], known, n=3, cutoff=0.5) or known[:6]
        shown = model if len(model) <= _MAX_NAMED else model[:_MAX_NAMED] + "..."
        hint = f" Some that exist: {', '.join(some)}." if some else " No provider is configured."
        return ClientError(
            f"model: {shown!r} is not known to this proxy.{hint} "
            "GET /v1/models lists all; provider/model reaches any other.",
            status=404,
        )

    def by_api(self, target: Target, protocol: Protocol) -> Target:
        """The same model by another API of its provider."""
        return self._limited(_spoken_to(target.provider, target.model, protocol))

    def _missing(self, provider: Provider) -> str:
        return "" if usable(provider) else f"no key: set {provider.credential.variable}"

    def _preferable(self) -> str:
        """The value of PREFERRED_PROVIDER that would do; empty where none would, or models are chosen by name."""
        known, settings = self._settings.providers, self._settings
        usual = DEFAULT_MODELS[settings.preferred_provider]
        if settings.big_model not in ("", usual[0]) or settings.small_model not in ("", usual[1]):
            return ""
        others = (word for word, name in PREFERRED_NAMES.items() if name in known and usable(known[name]))
        return next(others, "")

    def _no_key(self, provider: Provider, preferable: str) -> ApiError:
        other = f", or PREFERRED_PROVIDER={preferable}," if preferable else ""
        return ApiError(
            503,
            f"no key for provider {provider.name}: set {provider.credential.variable}{other} where the proxy runs "
            "and start it again",
            type="api_error",
            headers=NOT_RETRIED,
        )


def _target(provider: Provider, model: str) -> Target:
    if provider.protocol != "openai":
        return _spoken_to(provider, model, provider.protocol)
    served = served_by(model)
    target = _spoken_to(provider, model, served.api)
    if served.alone or served.api == "openai_responses":
        return target
    return msgspec.structs.replace(target, for_server_tools=_spoken_to(provider, model, "openai_responses"))


def _spoken_to(provider: Provider, model: str, protocol: Protocol) -> Target:
    base = Target(provider=provider, model=model, protocol=protocol, limits=limits_for(model))
    match protocol:
        case "gemini":
            return msgspec.structs.replace(base, gemini=gemini_quirks_for(provider, model))
        case "openai_responses":
            return msgspec.structs.replace(base, responses=responses_quirks_for(provider, model))
        case _:
            return msgspec.structs.replace(base, chat=chat_quirks_for(provider, model))


def _entry(name: str, target: Target) -> ModelEntry:
    limits: ModelLimits = target.limits
    return ModelEntry(
        id=name,
        display_name=f"{target.model} (via {target.provider.name})",
        max_input_tokens=limits.context_window,
        max_tokens=limits.max_output,
        line=_line_of(name),
    )


def _bare(provider: Provider, model: str) -> str:
    # Google's own lists spell `models/gemini-...`, and its path has that part already.
    return model.removeprefix("models/") if provider.protocol == "gemini" else model


def _line_of(name: str) -> Line | None:
    found = _LINE.search(name)
    word = found[1].lower() if found else ""
    return next((line for line in LINE_MODELS if line == word), None)


def _by_specificity(aliases: Mapping[str, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    """The aliases with wildcards, those with the most literal characters first."""
    wild = [(pattern, targets) for pattern, targets in aliases.items() if any(sign in pattern for sign in "*?[")]
    return sorted(wild, key=lambda row: -len(re.sub(r"[*?]|\[[^]]*\]", "", row[0])))
