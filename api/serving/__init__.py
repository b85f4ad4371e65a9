"""uvicorn, and what it needs to bound its callers, to drain and to give connections away. Nothing else knows it."""
