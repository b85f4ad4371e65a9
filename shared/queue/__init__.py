"""Who is next, and which workers are alive."""
