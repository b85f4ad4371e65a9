"""Conversations: which generations belong to one, in their order, and how long they are kept."""
