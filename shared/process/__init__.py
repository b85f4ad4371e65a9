"""What each process of ours needs of its Python and its operating system."""
