"""Which Midstream this is."""

from importlib import metadata


def version() -> str:
    """Returns the version that is installed, such as 0.1.0; in a source tree that never was, a word that says so."""
    try:
        return metadata.version("midstream")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"
