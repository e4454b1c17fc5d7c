"""What tests of the configuration share: a directory to configure in, and keys that open nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from llm_to_anthropic.config import loading
from llm_to_anthropic.config.sources import FILE_NAME
from llm_to_anthropic.errors import ConfigError
from llm_to_anthropic.settings import Settings

KEY = {"OPENAI_API_KEY": "test-key"}
SECRET = "look-at-me-nobody"


class Place:
    """A directory to configure in, and what loading there gives."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd

    def toml(self, text: str) -> Place:
        (self.cwd / FILE_NAME).write_text(text)
        return self

    def dotenv(self, text: str) -> Place:
        (self.cwd / ".env").write_text(text)
        return self

    def load(self, environ: Mapping[str, str] | None = None, **flags: object) -> Settings:
        return loading.load(flags, KEY if environ is None else environ, self.cwd)

    def problems(self, environ: Mapping[str, str] | None = None, **flags: object) -> list[str]:
        with pytest.raises(ConfigError) as refused:
            self.load(environ, **flags)
        return refused.value.problems


def key_of(settings: Settings, provider: str) -> str | None:
    key = settings.providers[provider].credential.key
    return key.reveal() if key else None
