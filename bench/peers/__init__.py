"""What Midstream is compared with: each a program of its own, started by `bench/subjects.py` or `bench/fans.py`."""
