"""Google's side of a login, on loopback: credential files, a token endpoint, a metadata server."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from llm_to_anthropic.providers.provider import Credential, GoogleAccount, Provider
from llm_to_anthropic.scripted import ScriptedUpstream
from llm_to_anthropic.scripted.script import Answer, Pause, Request, whole

EMAIL = "tester@my-project.iam.gserviceaccount.com"
LASTS_S = 3600
METADATA = (("metadata-flavor", "Google"),)


@cache
def _private_key() -> str:
    """A throw-away key, made anew for each run of the tests."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def service_account(folder: Path, token_server: ScriptedUpstream, **fields: object) -> Path:
    """The file of a service account whose tokens come from a server of the test."""
    file = folder / "account.json"
    account = {
        "type": "service_account",
        "project_id": "my-project",
        "private_key_id": "1",
        "private_key": _private_key(),
        "client_email": EMAIL,
        "client_id": "1",
        "token_uri": f"{token_server.url}/token",
        **fields,
    }
    file.write_text(json.dumps(account))
    return file


def token(value: str, *, before: tuple[Pause, ...] = ()) -> Answer:
    """The token endpoint's answer."""
    return whole({"access_token": value, "expires_in": LASTS_S, "token_type": "Bearer"}, before_head=before)


def numbered_tokens(request: Request) -> Answer:
    """token-0, token-1, ... by the number of the request."""
    return token(f"token-{request.number}")


def metadata(request: Request) -> Answer:
    """The metadata server of a machine with one service account."""
    account = "/computeMetadata/v1/instance/service-accounts"
    match request.path.rstrip("/"):
        case path if path == f"{account}/default":
            return whole({"email": EMAIL, "scopes": [], "aliases": ["default"]}, headers=METADATA)
        case path if path.startswith(account) and path.endswith("/token"):
            body = {"access_token": "machine-token", "expires_in": LASTS_S, "token_type": "Bearer"}
            return whole(body, headers=METADATA)
        case path if path.endswith("/project-id"):
            return whole(b"my-project", headers=(*METADATA, ("content-type", "application/text")))
        case _:
            return whole(b"", headers=(*METADATA, ("content-type", "application/text")))


def gemini_on_vertex(upstream_url: str, file: Path | str) -> Provider:
    """Gemini on Vertex AI, played by a server of the test."""
    return Provider(
        name="gemini",
        protocol="gemini",
        base_url=f"{upstream_url}/v1beta1/projects/my-project/locations/global/publishers/google",
        credential=Credential(login=GoogleAccount(file=str(file)), variable="GOOGLE_APPLICATION_CREDENTIALS"),
        preset="vertex",
        backend="vertex",
    )


def claude_on_vertex(upstream_url: str, file: Path | str) -> Provider:
    """A provider that sends requests to a server of the test, with the tokens of a credential file."""
    return Provider(
        name="claude",
        protocol="anthropic",
        base_url=f"{upstream_url}/v1/projects/my-project/locations/global/publishers/anthropic",
        credential=Credential(login=GoogleAccount(file=str(file)), variable="GOOGLE_APPLICATION_CREDENTIALS"),
        preset="vertex-anthropic",
        backend="vertex",
    )
