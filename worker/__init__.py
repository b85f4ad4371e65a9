"""Takes generations from the queue, streams from providers, and appends to the log."""
