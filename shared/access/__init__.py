"""Keys, sessions, shares: what lets somebody in, as Redis keeps it."""
