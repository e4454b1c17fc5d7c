"""What the translators of OpenAI's two APIs share."""
