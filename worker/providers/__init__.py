"""Adapters: one upstream protocol each, turned into our events."""
