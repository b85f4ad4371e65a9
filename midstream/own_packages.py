"""The import of our packages before a user's of the same names.

Their names are common words. Where somebody starts us, or on their PYTHONPATH, a folder or a file `api` may well be
theirs, and would be imported in place of ours. `midstream_client` may be theirs too: a module of their own about us, or
another version of the library.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

PACKAGE_NAMES = frozenset({"api", "midstream_client", "shared", "simulator", "worker"})
PLACES = ("", "clients/python")
"""Where in our folder they are: side by side where we are installed, and the library in its own place in our tree."""


class OwnPackages:
    """Finds the packages of PACKAGE_NAMES in one folder; all others are left to `sys.path`, in the user's order."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Implements `importlib.abc.MetaPathFinder.find_spec`; returns None for a name that is none of ours."""
        places = [os.path.join(self.folder, place) for place in PLACES]
        return PathFinder.find_spec(name, places) if name in PACKAGE_NAMES else None


def install(folder: str) -> None:
    """Makes this process import the packages of PACKAGE_NAMES from this folder from now on.

    What somebody else's start-up code (`sitecustomize`, a .pth file) has imported under these names is no longer
    imported under them; who holds such a module keeps it.
    """
    sys.meta_path.insert(0, OwnPackages(folder))
    for name in PACKAGE_NAMES & sys.modules.keys():
        if not _is_in(folder, sys.modules[name]):
            for known in [known for known in sys.modules if known.partition(".")[0] == name]:
                del sys.modules[known]


def _is_in(folder: str, package: ModuleType) -> bool:
    # A single file is no package: its folder is not among the places where its modules are.
    places = getattr(package, "__path__", [])
    own = {os.path.realpath(os.path.join(folder, place, package.__name__)) for place in PLACES}
    return any(os.path.realpath(place) in own for place in places)
