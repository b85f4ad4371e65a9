"""One file for each kind of resource: what a URL does."""
