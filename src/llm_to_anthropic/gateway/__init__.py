"""The request path: targets, translation, sending, commit point, exchange."""
