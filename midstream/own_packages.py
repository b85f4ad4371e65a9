"""The import of our packages before a user's of the same names.

Their names are common words. Where somebody starts us, or on their PYTHONPATH, a folder or a file `api` may well be
theirs, and would be imported in place of ours.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

PACKAGE_NAMES = frozenset({"api", "shared", "simulator", "worker"})


class OwnPackages:
    """Finds the packages of PACKAGE_NAMES in one folder; all others are left to `sys.path`, in the user's order."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Implements `importlib.abc.MetaPathFinder.find_spec`; returns None for a name that is none of ours."""
        return PathFinder.find_spec(name, [self.folder]) if name in PACKAGE_NAMES else None


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
    own = os.path.realpath(os.path.join(folder, package.__name__))
    return any(os.path.realpath(place) == own for place in places)
