"""Midstream's own protocol (docs/protocol.md)."""
