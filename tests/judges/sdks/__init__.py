"""SDKs, frameworks and command-line tools that Midstream did not write, against the routes that speak their dialects."""
