"""Compare experiments and commits, read from git alone: `python -m tench.compare`."""
