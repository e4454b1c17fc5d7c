"""msgspec Structs of what travels. No behaviour."""
