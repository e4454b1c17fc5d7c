"""The server in front: routes, client authentication, limits, Anthropic-shaped errors."""
