"""Credentials of providers -> request headers: keys that stay, and tokens that have to be renewed."""

from llm_to_anthropic.credentials.credentials import Credentials
from llm_to_anthropic.credentials.keys import OAUTH_PREFIX, auth_headers
from llm_to_anthropic.credentials.login import Login, LoginFailure, Token

__all__ = ["OAUTH_PREFIX", "Credentials", "Login", "LoginFailure", "Token", "auth_headers"]
