"""Experiments and commits beside each other, read from git alone: `python -m tench.compare`."""
