"""msgspec Structs of what travels. No behaviour."""

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for what is no JSON, no text, nested too deeply, or not of the type that is asked for."""
