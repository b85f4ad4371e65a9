"""Breaks a running Midstream, records what happens, and judges the record (`python -m tests.chaos`)."""
