"""A provider server for demos, tests and benchmarks: OpenAI Chat and Anthropic Messages on the wire."""
