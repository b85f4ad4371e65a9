"""Which Midstream this is."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """The version that is installed, such as 0.1.0; in a source tree that never was, a word that says so."""
    try:
        return installed("midstream")
    except PackageNotFoundError:
        return "unknown (not installed)"
