"""Events to the log. It imports `shared` alone."""
