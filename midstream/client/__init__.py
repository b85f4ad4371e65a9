"""A client of the API, with nothing of the terminal in it."""
