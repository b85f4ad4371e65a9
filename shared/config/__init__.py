"""Settings: where they are written, what they may be, and what of the environment they stand for."""
