"""Anthropic Messages: what is sent, and what comes back."""
