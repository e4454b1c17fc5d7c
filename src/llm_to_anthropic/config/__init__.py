"""Flags, environment, .env and TOML file -> validated settings. Nothing else reads environment or files for them.

`loading` puts the others together: what was said and where (`sources`), of which shape it is (`schema`, `tables`), the
accounts and names in it (`providers`, with `google`, `openai` and `urls`), and where keys are kept (`keys`).
"""
