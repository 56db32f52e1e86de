"""Predict images from the command line: `python -m tench.predict`."""
