"""OpenAI Responses: what is sent, and what comes back."""
