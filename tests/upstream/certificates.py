"""Certificates of an authority of the test's own, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Certificates:
    """An authority without a key usage, as companies have them, and its certificate for 127.0.0.1 and model.example."""

    def __init__(self, directory: Path) -> None:
        self.authority = directory / "ca.pem"
        self._certificate = directory / "server.pem"
        self._key = directory / "server.key"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        names = "subjectAltName=IP:127.0.0.1,DNS:model.example"
        signer = ["-CA", str(self.authority), "-CAkey", str(directory / "ca.key")]
        self._openssl(*key, "-subj", "/CN=Test CA", "-keyout", str(directory / "ca.key"), "-out", str(self.authority))
        self._openssl(
            *key, *signer, "-subj", "/CN=Test", "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE",
            "-keyout", str(self._key), "-out", str(self._certificate),
        )  # fmt: skip

    @staticmethod
    def _openssl(*arguments: str) -> None:
        subprocess.run(["openssl", "req", "-x509", "-days", "2", *arguments], check=True, capture_output=True)  # noqa: S603, S607

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key)
        context.set_alpn_protocols(["http/1.1"])
        return context

    @property
    def environ(self) -> dict[str, str]:
        return {"SSL_CERT_FILE": str(self.authority)}
