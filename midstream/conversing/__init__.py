"""`midstream chat` without a prompt on a terminal: a conversation."""
