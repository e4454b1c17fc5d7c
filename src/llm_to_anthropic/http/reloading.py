"""Reads the configuration anew: when one of its files changes, and on SIGHUP.

All of it is read and checked before anything changes. What is wrong is logged, every problem, and the former
configuration stays.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec
import structlog

from llm_to_anthropic.errors import ConfigError
from llm_to_anthropic.settings import Settings

POLL_S = 1.0
"""How often files are looked at. One that has changed is read once it has stayed the same for as long."""
FIXED = ("host", "port", "workers", "verbose")
"""Settings that a running server keeps."""

Load = Callable[[], Settings]
"""Reads the configuration. Raises ConfigError."""
State = tuple[tuple[int, int, int] | None, ...]
"""Of each file its time, its inode number, which its replacement does not share, and its size; None: no file."""


class Reloader:
    """Keeps one process's configuration as its files say. `adopt` takes what was read."""

    def __init__(self, load: Load, adopt: Callable[[Settings], None], settings: Settings) -> None:
        self._load = load
        self._adopt = adopt
        self._settings = settings
        self._files = settings.files
        self._known = _state(self._files)
        self._key_files = settings.key_files
        self._known_keys = _state(self._key_files)
        self._seen = self._known
        self._timer: asyncio.TimerHandle | None = None
        self._log = structlog.get_logger()

    def start(self, poll_s: float = POLL_S) -> None:
        """Looks after the files from now on."""
        self._timer = asyncio.get_running_loop().call_later(poll_s, self._poll, poll_s)

    def stop(self) -> None:
        """Looks no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reload(self) -> None:
        """Reads the configuration now, and has it adopted if it is sound."""
        # Looked at before it is read: what changes meanwhile is another change.
        before = {file: _file_state(file) for file in self._files}
        try:
            settings = self._load()
            self._adopt(self._with_fixed(settings))
        except ConfigError as error:
            files = error.files or self._files
            for problem in error.problems:
                self._log.error("the configuration was not reloaded", problem=problem)
        except Exception:
            files = self._files
            self._log.exception("the configuration was not reloaded")
        else:
            files, self._key_files = settings.files, settings.key_files
            self._settings = _with_kept(settings, self._settings)
            self._log.info("the configuration was reloaded")
            for warning in settings.warnings:
                self._log.warning("the configuration was reloaded", warning=warning)
        self._files = files
        found = {file: before[file] if file in before else _file_state(file) for file in {*files, *self._key_files}}
        self._known = self._seen = tuple(found[file] for file in files)
        self._known_keys = tuple(found[file] for file in self._key_files)

    def refresh(self) -> None:
        """Reads the configuration now if the file of a key was replaced.

        Keys are exchanged in one step, and the former may be void at once: there is no waiting for the next look.
        """
        if self._timer is not None and _state(self._key_files) != self._known_keys:
            self.reload()

    def _with_fixed(self, settings: Settings) -> Settings:
        """The new settings with what a running server keeps of the old ones."""
        for name in FIXED:
            if getattr(settings, name) != getattr(self._settings, name):
                self._log.warning("a changed setting takes effect at the next start", setting=name)
        return _with_kept(settings, self._settings)

    def _poll(self, poll_s: float) -> None:
        state = _state(self._files)
        if state != self._known and state == self._seen:
            self.reload()
        else:
            self._seen = state
        self.start(poll_s)


def _state(files: Iterable[str]) -> State:
    return tuple(_file_state(file) for file in files)


def _file_state(file: str) -> tuple[int, int, int] | None:
    # Links are followed: a mounted ConfigMap changes by a link that points elsewhere.
    with suppress(OSError):
        found = os.stat(file)
        if stat.S_ISFIFO(found.st_mode):
            return 0, found.st_ino, 0  # a pipe, as password managers give, changes by being read
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None


class Kept:
    """The last configuration that was sound, for a process that takes the place of another."""

    def __init__(self, load: Load | None, settings: Settings) -> None:
        self.load = load
        self.settings = settings

    def renew(self) -> None:
        """Takes the configuration as it is by now; what is wrong with a bad one is told by those who serve."""
        if self.load is not None:
            with suppress(Exception):
                self.settings = _with_kept(self.load(), self.settings)


def _with_kept(settings: Settings, running: Settings) -> Settings:
    return msgspec.structs.replace(settings, **{name: getattr(running, name) for name in FIXED})


def takes_hangups() -> bool:
    """Whether SIGHUP is ours to take: who started us under nohup wants it ignored."""
    number = getattr(signal, "SIGHUP", None)
    return number is not None and signal.getsignal(number) is not signal.SIG_IGN


def has_terminal() -> bool:
    """Whether a terminal controls this process. One that is closed sends SIGHUP as well, and is gone then."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
