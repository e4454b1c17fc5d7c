"""The project's own benchmark: what the proxy costs beside nginx and its peers, and the gate that guards it."""
