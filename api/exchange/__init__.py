"""One request and its answer, in whatever dialect: read, accepted, and then streamed, waited for or shown."""
