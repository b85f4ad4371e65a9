"""A provider server for demos, tests and benchmarks: OpenAI Chat and Responses, Anthropic Messages and Gemini."""
