"""A provider server for demos, tests and benchmarks: OpenAI Chat, Anthropic Messages and Gemini on the wire."""
