"""What tests, benchmarks and judges share: processes, and where the repository is."""
