"""What is asked of a provider: read once, kept small until the end."""
