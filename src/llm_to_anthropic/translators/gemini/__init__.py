"""Gemini's generateContent, by API key or on Vertex AI, both ways."""
