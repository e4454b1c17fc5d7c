"""Where Gemini and Vertex AI are: hosts, versions, projects and locations -> base URLs and credentials.

Source: cloud.google.com on Vertex AI's locations and express mode; ai.google.dev on API versions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from llm_to_anthropic.config.keys import KeyReader
from llm_to_anthropic.config.schema import ProviderTable, Schema
from llm_to_anthropic.config.sources import Report, Sources, expand
from llm_to_anthropic.config.urls import checked_url
from llm_to_anthropic.providers.presets import PRESETS
from llm_to_anthropic.providers.provider import Backend, Credential, GoogleAccount, ProviderProtocol

GEMINI = "gemini"
"""The built-in provider that USE_VERTEX_AUTH moves to Vertex AI."""

_DEFAULT_VERSIONS: Mapping[Backend, str] = {"dev": "v1beta", "vertex": "v1beta1"}
_CLAUDE_VERSION = "v1"
_PUBLISHERS: Mapping[ProviderProtocol, str] = {"gemini": "google", "anthropic": "anthropic"}
_DEFAULT_LOCATION = "global"
_NO_PROJECT = (
    "is missing: Vertex AI needs the Google Cloud project (or, for Gemini in express mode, an API key and no project)."
)
_FIELDS = ("vertex_project", "vertex_location", "vertex_base_url")

_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]*)?")
_ENDS_IN_VERSION = re.compile(f"/{_VERSION.pattern}$")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]*")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")


class Placed(msgspec.Struct, frozen=True):
    """A value and where it stands, or could stand."""

    value: str
    place: str


class VertexAccount(msgspec.Struct, frozen=True):
    """What a provider on Vertex AI needs of the configuration."""

    base_url: str
    credential: Credential


class GoogleReader:
    """Reads what concerns Google; what is wrong with it goes into the report."""

    def __init__(self, schema: Schema, sources: Sources, report: Report) -> None:
        self._schema = schema
        self._sources = sources
        self._report = report
        self._keys = KeyReader(sources, report)

    def preset(self, name: str, table: ProviderTable | None) -> str:
        """The preset of a provider on Vertex AI; empty for any other provider."""
        wanted = (table.preset if table else "") or name
        if wanted in PRESETS and PRESETS[wanted].backend == "vertex":
            return wanted
        return "vertex" if name == GEMINI and self._schema.use_vertex_auth else ""

    def account(self, name: str, table: ProviderTable | None, protocol: ProviderProtocol) -> VertexAccount:
        """Address and credential of a provider on Vertex AI: of a project, or by an API key alone (express mode)."""
        project, location = (self._setting(name, table, key) for key in ("project", "location"))
        self._check_address(name)
        key = self._key(name, table, protocol)
        if key is None:
            self._check_project(project)
            self._check_location(location)
        else:
            self._check_express(key, project, location)
        where = location.value.lower() or _DEFAULT_LOCATION
        parts = f"/projects/{project.value}/locations/{where}" if project.value else ""
        root = self._root(name, table, protocol, where)
        credential = key.credential if key else self._login()
        return VertexAccount(f"{root}{parts}/publishers/{_PUBLISHERS[protocol]}", credential)

    def dev_url(self, place: str, text: str) -> str:
        """The base URL of the Developer API, with its version; empty after a problem."""
        return self._versioned(place, text, self._version("dev"))

    def check_unused(self, *, used: bool) -> None:
        """Vertex settings that nothing reads are a mistake, unless they are switched off knowingly."""
        if used or "use_vertex_auth" in self._sources.fields:
            return
        for field in _FIELDS:
            if field in self._sources.fields:
                self._report.problem(
                    self._sources.place(field),
                    "is set, but nothing uses Vertex AI: set USE_VERTEX_AUTH=true, or take it away.",
                )

    def _setting(self, name: str, table: ProviderTable | None, key: str) -> Placed:
        """A provider's own `project` or `location`, else VERTEX_PROJECT or VERTEX_LOCATION."""
        own = (table.project if key == "project" else table.location) if table else ""
        if own.strip():
            return Placed(own.strip(), f"{self._sources.provider(name)}.{key}")
        shared = self._schema.vertex_project if key == "project" else self._schema.vertex_location
        return Placed(shared.strip(), self._sources.place(f"vertex_{key}"))

    def _key(self, name: str, table: ProviderTable | None, protocol: ProviderProtocol) -> _Key | None:
        if table and table.api_key:
            place = f"{self._sources.provider(name)}.api_key"
            if protocol == "anthropic":
                self._report.problem(place, "is not for Claude on Vertex AI, which takes Google's credentials alone.")
                return None
            return _Key(place, self._keys.reference(place, table.api_key, ""))
        if name != GEMINI:
            return None
        credential = self._keys.setting("gemini_api_key", PRESETS[GEMINI].variable)
        return _Key(self._sources.place("gemini_api_key"), credential) if credential.key else None

    def _check_address(self, name: str) -> None:
        field = "gemini_base_url"
        if name == GEMINI and field in self._sources.fields:
            self._report.problem(
                self._sources.place(field), "contradicts Vertex AI, whose address VERTEX_BASE_URL sets; take one away."
            )

    def _check_project(self, project: Placed) -> None:
        if not project.value:
            self._report.problem(project.place, _NO_PROJECT)
        elif not _PROJECT.fullmatch(project.value):
            self._report.problem(project.place, "must be the id of a Google Cloud project, like my-project-1.")

    def _check_location(self, location: Placed) -> None:
        wanted = location.value.lower()
        if wanted and wanted not in {"global", "us", "eu"} and not _REGION.fullmatch(wanted):
            self._report.problem(location.place, "must be global, us, eu or a region like us-central1.")

    def _check_express(self, key: _Key, project: Placed, location: Placed) -> None:
        if project.value:
            self._report.problem(
                project.place,
                f"contradicts {key.place}: Vertex AI takes Google's credentials for a project, or an API key alone "
                "(express mode); take one away.",
            )
        if location.value and location.value.lower() != _DEFAULT_LOCATION:
            self._report.problem(
                location.place,
                f"contradicts {key.place}: an API key alone (express mode) reaches no location; take one away.",
            )

    def _root(self, name: str, table: ProviderTable | None, protocol: ProviderProtocol, location: str) -> str:
        """Host and version."""
        version = self._version("vertex") if protocol == "gemini" else _CLAUDE_VERSION
        if table and table.base_url:
            return self._versioned(f"{self._sources.provider(name)}.base_url", table.base_url, version)
        if self._schema.vertex_base_url:
            return self._versioned(self._sources.place("vertex_base_url"), self._schema.vertex_base_url, version)
        return f"https://{_host(location)}/{version}"

    def _versioned(self, place: str, text: str, version: str) -> str:
        url = checked_url(place, text, self._report)
        if url.endswith("/models") or "/models/" in url:
            self._report.problem(place, "must end before /models: the proxy adds that part and the model itself.")
            return ""
        if url.endswith("/openai"):
            self._report.problem(place, "is Google's address for OpenAI's protocol: take /openai away.")
            return ""
        if "/projects/" in url or "/publishers/" in url:
            self._report.problem(place, "must end before /projects: project and location have settings of their own.")
            return ""
        return url if not url or _ENDS_IN_VERSION.search(url) else f"{url}/{version}"

    def _version(self, backend: Backend) -> str:
        given = self._schema.google_genai_api_version.strip()
        place = self._sources.place("google_genai_api_version")
        if given and not _VERSION.fullmatch(given):
            self._report.problem(place, "must be a version of Google's API, like v1 or v1beta.")
        elif given == _DEFAULT_VERSIONS["dev"] and backend == "vertex":
            self._report.problem(place, "contradicts Vertex AI, which has v1 and v1beta1; take one away.")
        return given or _DEFAULT_VERSIONS[backend]

    def _login(self) -> Credential:
        field = "google_application_credentials"
        text = self._schema.google_application_credentials.strip()
        given = self._sources.fields.get(field)
        path = expand(Path(text), self._sources.home) if text else None
        if path is not None and given is not None and given.from_file:
            path = self._sources.folder / path
        return Credential(login=GoogleAccount(file=str(path) if path else ""), variable=field.upper())


class _Key(msgspec.Struct, frozen=True):
    place: str
    credential: Credential


def _host(location: str) -> str:
    match location:
        case "global":
            return "aiplatform.googleapis.com"
        case "us" | "eu":
            return f"aiplatform.{location}.rep.googleapis.com"
        case _:
            return f"{location}-aiplatform.googleapis.com"
