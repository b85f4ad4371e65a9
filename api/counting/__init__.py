"""How many watch: viewers of a generation and streams of an owner, counted over all nodes."""
