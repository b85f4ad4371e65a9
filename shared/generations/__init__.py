"""Accepts, finds, lists, cancels, deletes and expires generations."""
