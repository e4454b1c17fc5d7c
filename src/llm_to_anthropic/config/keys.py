"""Where keys are kept -> credentials. A key is never part of a message, nor is text that might be one."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from llm_to_anthropic.config.sources import QUOTED, Given, Report, Sources, expand, is_quoted
from llm_to_anthropic.providers.provider import Credential, Secret
from llm_to_anthropic.settings import HASHED, ClientKey

PLACES = '"env:NAME" or "file:PATH"'
REFERENCES = '"env:NAME", "file:PATH" or "client"'

_KEY = re.compile(r"[!-~]+")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})\s*=(.*[^=\s].*)")
_HASH = re.compile(HASHED + "[0-9a-fA-F]{64}")


class KeyReader:
    """Reads keys from the environment and from key files; what is wrong with them goes into the report."""

    def __init__(self, sources: Sources, report: Report) -> None:
        self._sources = sources
        self._report = report

    def setting(self, field: str, variable: str) -> Credential:
        """The keys of a setting like openai_api_key: themselves, but references in the TOML file."""
        given = self._given(field, variable)
        if given is None:
            return self._kept_in_file(variable)
        if given.from_file:
            kept = [str(one) for one in given.value] if isinstance(given.value, list) else str(given.value)
            return self.reference(given.place, kept, variable)
        return self._credential(given.place, str(given.value), variable)

    def _given(self, field: str, variable: str) -> Given | None:
        """What a setting of keys says, unless the environment names a file with them, which wins over the TOML file."""
        given = self._sources.fields.get(field)
        return None if given and given.from_file and f"{variable}_FILE" in self._sources.variables else given

    def variable(self, name: str) -> Credential:
        """The keys in an environment variable, if it is set."""
        text = self._sources.variables.get(name, "")
        return self._credential(self._sources.places[name], text, name) if text else self._kept_in_file(name)

    def _kept_in_file(self, variable: str) -> Credential:
        """The keys of the file that `VARIABLE_FILE` names, as containers are given their secrets."""
        name = f"{variable}_FILE"
        place, text = self._text_kept_in_file(name)
        return self._credential(place, text, name) if text else Credential(variable=variable)

    def _text_kept_in_file(self, name: str) -> tuple[str, str]:
        """The place of a variable that names a file, and the file's text; no text without either."""
        place, path = self._sources.places.get(name, ""), self._sources.variables.get(name, "")
        return place, self._from_file(place, path) if path else ""

    def reference(self, place: str, kept: str | Sequence[str], variable: str) -> Credential:
        """`env:NAME`, `file:PATH` or `client`, or a list of the first two.

        Anything else might be a key, and is not repeated.
        """
        if isinstance(kept, str):
            return self._referred(place, kept, variable)
        read = [self._referred(f"{place}[{number}]", text, variable) for number, text in enumerate(kept)]
        if any(credential.client for credential in read):
            self._report.problem(place, 'must not have "client" in a list: a client has one key of its own.')
        keys = [key for credential in read for key in credential.keys]
        return _credential(keys, ", ".join(dict.fromkeys(credential.variable for credential in read)))

    def _referred(self, place: str, text: str, variable: str) -> Credential:
        if text.strip() == "client":
            return Credential(client=True, variable=variable)
        kept, where = self._kept(place, text, REFERENCES)
        return self._credential(place, kept, where or variable or place)

    def _kept(self, place: str, text: str, allowed: str) -> tuple[str, str]:
        """The text that `env:NAME` or `file:PATH` names, and the variable or the place where it is kept."""
        kind, _, rest = text.strip().partition(":")
        match kind, rest.strip():
            case "env", name if name:
                return self._from_variable(place, name), name
            case "file", path if path:
                return self._from_file(place, path), place
            case _:
                self._report.problem(place, f"must be {allowed}: a key itself does not belong in this file.")
                return "", ""

    def client_keys(self, entries: tuple[str, ...]) -> tuple[ClientKey, ...]:
        """PROXY_API_KEYS: keys or their hashes, in the TOML file references to keys, each as `NAME=` if it has one."""
        given = self._given("proxy_api_keys", "PROXY_API_KEYS")
        if given is None:
            place, text = self._text_kept_in_file("PROXY_API_KEYS_FILE")
            return tuple(self._client_keys(place, text))
        read = self._client_references if given.from_file else self._client_keys
        return tuple(key for entry in entries for key in read(given.place, entry))

    def _client_references(self, place: str, entry: str) -> Iterator[ClientKey]:
        name, text = _parted(entry)
        if text.startswith(HASHED):
            yield from self._client_keys(place, entry)
            return
        kept, _ = self._kept(place, text, PLACES)
        for key in self._client_keys(place, kept):
            yield msgspec.structs.replace(key, name=name or key.name)

    def _client_keys(self, place: str, text: str) -> Iterator[ClientKey]:
        """The keys of a text, which commas separate."""
        for name, key in map(_parted, _listed(text)):
            cleaned = self._clean(place, key)
            if cleaned.startswith(HASHED) and not _HASH.fullmatch(cleaned):
                self._report.problem(place, "holds a hash that is not sha256: and 64 hexadecimal digits.")
            elif cleaned:
                yield ClientKey(secret=Secret(cleaned), name=name)

    def _from_variable(self, place: str, name: str) -> str:
        key = self._sources.variables.get(name, "")
        if not key:
            # What is no variable's name may be the key itself.
            shown = name if _VARIABLE.fullmatch(name) else "the variable that it names"
            self._report.problem(place, f"takes its key from the environment, but {shown} is not set.")
        return key

    def _from_file(self, place: str, name: str) -> str:
        path = self._sources.folder / expand(Path(name), self._sources.home)
        self._report.files.append(str(path))
        self._report.key_files.append(str(path))
        try:
            key = path.read_text(encoding="utf-8-sig").strip()
            mode = path.stat().st_mode
        except OSError as error:
            self._report.problem(place, f"names a file that cannot be read: {error.strerror}.")
            return ""
        except UnicodeDecodeError:
            self._report.problem(place, "names a file that is not text.")
            return ""
        if not key:
            self._report.problem(place, "names an empty file.")
        if os.name == "posix" and mode & stat.S_IROTH:
            self._report.warn(f"{place} names a file that every user of this machine can read; chmod 600 mends it.")
        return key

    def _clean(self, place: str, key: str) -> str:
        key = key.strip()
        if is_quoted(key):
            self._report.problem(place, QUOTED)
            return ""
        if key and not _KEY.fullmatch(key):
            self._report.problem(place, "holds a key with a blank, a line break or a letter beyond ASCII in it.")
            return ""
        return key

    def _credential(self, place: str, text: str, variable: str) -> Credential:
        """The keys of a text, which commas separate."""
        return _credential([Secret(key) for part in _listed(text) if (key := self._clean(place, part))], variable)


def _listed(text: str) -> list[str]:
    """The entries of a text; quotation marks around all of it, which are refused, belong to none of them alone."""
    return [text] if is_quoted(text) else text.split(",")


def _parted(entry: str) -> tuple[str, str]:
    """A client key's name, which may be empty, and the key."""
    named = _NAMED.fullmatch(entry.strip())
    return (named[1], named[2].strip()) if named else ("", entry)


def _credential(keys: Iterable[Secret], variable: str) -> Credential:
    first, *more = dict.fromkeys(keys) or [None]
    return Credential(key=first, more_keys=tuple(key for key in more if key), variable=variable)
