"""Microsoft Entra's tokens for Azure OpenAI: of an application, or of the machine that this runs on.

Imported in a login's own thread alone: the import takes time, and every call here blocks.
Source: learn.microsoft.com on the client credentials flow, on workload identity federation and on managed identities.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import requests

from llm_to_anthropic.credentials.login import LoginFailure, Token
from llm_to_anthropic.credentials.web import TIMEOUT_S, is_near, session
from llm_to_anthropic.providers.provider import EntraAccount

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_RESOURCE = "https://cognitiveservices.azure.com"
_RESOURCES: Mapping[str, str] = {
    "login.microsoftonline.us": "https://cognitiveservices.azure.us",
    "login.chinacloudapi.cn": "https://cognitiveservices.azure.cn",
    "login.partner.microsoftonline.cn": "https://cognitiveservices.azure.cn",
}
"""What the tokens of national clouds are for, by the host that gives them."""

_REMEDIES: Mapping[str, str] = {
    "7000215": "set AZURE_CLIENT_SECRET to the value of the secret (not to its id)",
    "7000222": "run: az ad app credential reset --id $AZURE_CLIENT_ID, and set AZURE_CLIENT_SECRET to the new secret",
    "700016": "look at AZURE_CLIENT_ID and AZURE_TENANT_ID: the application is not of this tenant",
    "90002": "set AZURE_TENANT_ID to a tenant that exists",
    "900023": "set AZURE_TENANT_ID to the id or the domain of a tenant",
    "70021": "run: az identity federated-credential create, for the issuer and the subject of this token",
    "700211": "run: az identity federated-credential create, for the issuer of this token",
    "700213": "run: az identity federated-credential create, for the subject of this token",
    "700024": "what writes AZURE_FEDERATED_TOKEN_FILE must renew it: the token in it has ended",
}
"""By the number of an AADSTS error (learn.microsoft.com, Microsoft Entra authentication error codes)."""
_APPLICATION = "look at AZURE_TENANT_ID, AZURE_CLIENT_ID and what proves them"
_NO_IDENTITY = "give the machine a managed identity (az vm identity assign), or look at AZURE_CLIENT_ID"
_ELSEWHERE = (
    "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run the proxy on a machine of Azure's "
    "with a managed identity"
)
_CODE = re.compile(r"AADSTS(\d+)")
_TRACE = re.compile(r"(?:Trace ID|Correlation ID|Timestamp):.*", re.DOTALL)
_PLAIN = re.compile(r"[!-~]+")
_MAX_TOLD = 300


class _Answer(msgspec.Struct):
    access_token: str = ""
    expires_in: float = 3600.0
    expires_on: float = 0.0
    """Seconds since 1970; said in place of `expires_in` or beside it."""
    error: str = ""
    error_description: str = ""


def fetch_token(account: EntraAccount) -> Token:
    """A new token. Blocks. Raises LoginFailure."""
    if account.secret is None and not account.token_file:
        return _of_machine(account)
    return _of_application(account)


def _of_application(account: EntraAccount) -> Token:
    form = {
        "grant_type": "client_credentials",
        "client_id": account.client_id,
        "scope": f"{_resource(account)}/.default",
        **_proof(account),
    }
    try:
        status, body = _ask("POST", f"{account.authority}/{account.tenant}/oauth2/v2.0/token", data=form)
    except requests.RequestException:
        raise LoginFailure(
            "Microsoft Entra's token server cannot be reached",
            "look at the network, HTTPS_PROXY, NO_PROXY and AZURE_AUTHORITY_HOST",
        ) from None
    return _token(status, body, account, "Microsoft Entra refuses the credentials", _APPLICATION)


def _proof(account: EntraAccount) -> dict[str, str]:
    if account.secret is not None:
        return {"client_secret": account.secret.reveal()}
    try:
        assertion = Path(account.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise LoginFailure(
            f"the federated token {account.token_file} cannot be read: {reason}",
            "set AZURE_FEDERATED_TOKEN_FILE to the file that the platform writes (AKS: label the pod "
            "azure.workload.identity/use=true)",
        ) from None
    return {"client_assertion_type": _ASSERTION, "client_assertion": assertion}


def _of_machine(account: EntraAccount) -> Token:
    url, version = f"{account.metadata}/metadata/identity/oauth2/token", "2018-02-01"
    headers = {"Metadata": "true"}
    if account.endpoint and account.endpoint_key:
        url, version = account.endpoint, "2019-08-01"
        headers = {"X-IDENTITY-HEADER": account.endpoint_key.reveal()}
    query = {"api-version": version, "resource": _resource(account)}
    if account.client_id:
        query["client_id"] = account.client_id
    try:
        status, body = _ask("GET", url, params=query, headers=headers)
    except requests.RequestException:
        raise LoginFailure("this machine has no metadata server of Azure's", _ELSEWHERE) from None
    return _token(status, body, account, "this machine's metadata server gives no token", _NO_IDENTITY)


def _ask(
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    with (
        session(near=is_near(url)) as web,
        web.request(
            method, url, params=params, data=data, headers=headers, timeout=TIMEOUT_S, allow_redirects=False
        ) as answer,
    ):
        return answer.status_code, answer.content


def _resource(account: EntraAccount) -> str:
    return _RESOURCES.get(urlsplit(account.authority).hostname or "", _RESOURCE)


def _token(status: int, body: bytes, account: EntraAccount, problem: str, remedy: str) -> Token:
    try:
        # The metadata server writes its numbers as texts.
        answer = msgspec.json.decode(body, type=_Answer, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        answer = _Answer()
    if status == 200 and _PLAIN.fullmatch(answer.access_token):
        header = (b"authorization", b"Bearer " + answer.access_token.encode())
        return Token((header,), answer.expires_on or time.time() + answer.expires_in)
    told = _words(answer, account)
    code = _CODE.search(answer.error_description)
    raise LoginFailure(f"{problem}{told and ': '}{told}", _REMEDIES.get(code[1], remedy) if code else remedy)


def _words(answer: _Answer, account: EntraAccount) -> str:
    """What Entra says of a refusal, on one line; nothing else of its answer, which may hold tokens."""
    text = _TRACE.sub("", answer.error_description) or answer.error
    if account.secret is not None:
        text = text.replace(account.secret.reveal(), "***")
    return " ".join(text.split())[:_MAX_TOLD].rstrip(".")
