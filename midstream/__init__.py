"""Midstream's command line: it starts the programs, keeps them running and speaks to the API."""

import os

from midstream import own_packages

# Before anything else of ours is imported.
own_packages.install(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
