"""JSON schemas of tools and answers, as upstreams take them. Knows JSON Schema; of upstreams only what they refuse."""
