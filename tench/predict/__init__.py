"""Naming pictures with an exported classifier, from the command line: `python -m tench.predict`."""
