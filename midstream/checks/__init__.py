"""What `midstream doctor` looks at, one kind of thing each."""
