"""Processes, started and ended together."""
