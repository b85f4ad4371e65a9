"""Programs that we did not write, built here and asked what they think of Midstream."""
