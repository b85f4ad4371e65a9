"""What follows an end, and what a crash left."""
