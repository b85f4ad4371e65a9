"""Midstream's command line: it starts the programs, keeps them running and speaks to the API."""
