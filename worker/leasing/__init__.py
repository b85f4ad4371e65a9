"""What this worker may run, and for how long."""
