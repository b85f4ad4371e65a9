"""A number and what is counted, as people write it."""


def counted(number: int, one: str, many: str) -> str:
    """Returns the number with the word that fits it: `1 generation waits`, `2 generations wait`."""
    return f"{number} {one if number == 1 else many}"
