"""What is written for people, and for programs."""
