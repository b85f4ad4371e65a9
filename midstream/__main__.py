"""`python -m midstream`: the same as the `midstream` script."""

from midstream.main import main

main()
