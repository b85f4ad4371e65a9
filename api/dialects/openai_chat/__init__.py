"""OpenAI Chat Completions (API reference: "Create chat completion")."""
