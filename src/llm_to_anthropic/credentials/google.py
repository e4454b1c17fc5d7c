"""Google's Application Default Credentials -> tokens, through google-auth (the extra [vertex]).

Imported in a login's own thread alone: the import takes time, and every call here blocks.
Source: google-auth's documentation; cloud.google.com on Application Default Credentials.
"""

from __future__ import annotations

import time
import warnings
from datetime import UTC

from google import auth
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.auth.transport import Request as Transport
from google.auth.transport import Response
from google.auth.transport.requests import Request

from llm_to_anthropic.credentials.login import LoginFailure, Token
from llm_to_anthropic.credentials.web import TIMEOUT_S, is_near, session

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LASTS_S = 3600.0
"""A token that does not say when it ends is taken to last so long."""

_LOGIN = "gcloud auth application-default login"
_NONE_FOUND = "credentials were not found"
_MAX_TOLD = 300


class GoogleLogin:
    """Fetches tokens; the credentials are looked for at the first call, and again after a failure."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._transport = _Wire()
        self._credentials: Credentials | None = None

    def fetch(self) -> Token:
        """A new token. Blocks. Raises LoginFailure."""
        try:
            credentials = self._credentials or self._find()
            credentials.refresh(self._transport)
        except (GoogleAuthError, OSError, ValueError) as error:
            # A file that was mended meanwhile is read again.
            self._credentials = None
            raise self._failure(error) from None
        finally:
            # The next token is fetched in an hour: no connection is worth keeping for it.
            self._transport.close()
        self._credentials = credentials
        headers: dict[str, str] = {}
        credentials.apply(headers)
        ends = credentials.expiry
        return Token(
            tuple((name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()),
            ends.replace(tzinfo=UTC).timestamp() if ends else time.time() + LASTS_S,
        )

    def _find(self) -> Credentials:
        with warnings.catch_warnings():
            # What it warns of (a login without a quota project, files of many kinds) does not matter here.
            warnings.simplefilter("ignore")
            if self._file:
                found, _ = auth.load_credentials_from_file(self._file, scopes=[SCOPE], request=self._transport)
            else:
                found, _ = auth.default(scopes=[SCOPE], request=self._transport)
        return found

    def _failure(self, error: Exception) -> LoginFailure:
        match error:
            case DefaultCredentialsError() if not self._file and _NONE_FOUND in str(error):
                return LoginFailure(
                    "no credentials of Google were found: no credential file, no login of gcloud, no metadata server",
                    f"run: {_LOGIN}, or set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
                )
            case DefaultCredentialsError() | OSError() | ValueError():
                told = _words(error) or "it cannot be read"
                return LoginFailure(
                    f"Google's credential file is of no use: {told}",
                    f"set GOOGLE_APPLICATION_CREDENTIALS to one that is, or unset it and run: {_LOGIN}",
                )
            case _ if isinstance(error, TransportError) or isinstance(error.__cause__, TransportError):
                return LoginFailure(
                    "Google's token server cannot be reached", "look at the network, HTTPS_PROXY and NO_PROXY"
                )
            case _:
                told = _refusal(error)
                return LoginFailure(
                    f"Google refuses the credentials{told and ': '}{told}",
                    f"run: {_LOGIN}, or make a new key for the service account",
                )


class _Wire(Transport):
    """google-auth's transport with a time limit; to this machine and the metadata server it takes no web proxy."""

    def __init__(self) -> None:
        self._direct = Request(session(near=True))
        self._usual = Request(session(near=False))

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        **options: object,
    ) -> Response:
        request = self._direct if is_near(url) else self._usual
        limit = min(timeout or TIMEOUT_S, TIMEOUT_S)
        return request(url, method=method, body=body, headers=headers, timeout=limit, **options)

    def close(self) -> None:
        """Closes the connections; a later call opens new ones."""
        self._direct.session.close()
        self._usual.session.close()


def _words(error: Exception) -> str:
    """What a file's error says, on one line. It names paths and missing fields, never contents."""
    first = error.args[0] if error.args else ""
    return " ".join(str(first).split())[:_MAX_TOLD] if isinstance(error, DefaultCredentialsError) else ""


def _refusal(error: Exception) -> str:
    """Google's `error` and `error_description`. Nothing else of its answer, which may hold tokens."""
    answer = error.args[1] if len(error.args) > 1 else None
    if not isinstance(answer, dict):
        return ""
    parts = (answer.get("error"), answer.get("error_description"))
    return ": ".join(" ".join(part.split())[:_MAX_TOLD] for part in parts if isinstance(part, str) and part)
