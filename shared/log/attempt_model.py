"""The model of an attempt: `provider/model` in its first event, as everywhere else.

Earlier versions wrote it there without the provider. Their logs are still read, and their workers may run beside ours.
"""


def full_name(provider: str, model: str) -> str:
    """Returns `provider/model` of what an attempt's event says."""
    return model if model.startswith(f"{provider}/") else f"{provider}/{model}"


def bare_name(provider: str, model: str) -> str:
    """Returns the model as its provider knows it, of what an attempt's event says."""
    return model.removeprefix(f"{provider}/")
