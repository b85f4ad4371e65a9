"""A conversation as one stream: its generations one after the other, as they come."""
