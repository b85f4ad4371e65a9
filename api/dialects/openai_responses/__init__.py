"""OpenAI Responses, as Open Responses (specification of 2026-04-24) and OpenAI's API reference have it."""
