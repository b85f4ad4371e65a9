"""Events, the guarded log that keeps them, and what they add up to."""
