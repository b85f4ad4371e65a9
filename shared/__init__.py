"""What api and worker agree on: settings, events, the log, the record, the queue."""
