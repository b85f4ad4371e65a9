"""Anthropic Messages (platform.claude.com, API reference: "Create a Message", "Streaming messages")."""
