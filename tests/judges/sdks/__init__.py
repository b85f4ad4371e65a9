"""SDKs, frameworks and command-line tools that Midstream did not write, on the routes that speak their dialects."""
