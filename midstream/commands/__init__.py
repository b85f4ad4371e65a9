"""One file for each subcommand of `midstream`."""
