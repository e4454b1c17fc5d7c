"""What TLS trusts: the system, or the authorities that SSL_CERT_FILE and SSL_CERT_DIR name. Always verified."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from llm_to_anthropic.errors import UpstreamUnreachable


class Trust:
    """One TLS context, made when the first https upstream is called (it reads the system's authorities)."""

    __slots__ = ("_context", "_directory", "_file")

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._file = environ.get("SSL_CERT_FILE") or None
        self._directory = environ.get("SSL_CERT_DIR") or None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Raises UpstreamUnreachable where the named certificates cannot be read."""
        if self._context is None:
            self._context = self._load()
        return self._context

    def _load(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._file, capath=self._directory)
        except OSError as error:
            raise UpstreamUnreachable(
                f"No server can be trusted: the certificates that SSL_CERT_FILE ({self._file}) or "
                f"SSL_CERT_DIR ({self._directory}) names cannot be read ({error.strerror or error}).",
                lasting=True,
            ) from error
        # Python 3.13 began to refuse what curl takes: authorities without a key usage, as many companies have them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.set_alpn_protocols(["http/1.1"])
        return context
