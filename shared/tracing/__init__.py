"""Traces over the API, the queue and the workers, and measurements of provider calls: nothing, unless asked for."""
