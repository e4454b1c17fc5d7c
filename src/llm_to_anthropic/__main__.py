"""`python -m llm_to_anthropic` is the command `llm-to-anthropic`."""

from llm_to_anthropic.cli.main import main

if __name__ == "__main__":
    main()
