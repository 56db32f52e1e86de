"""A server for an exported classifier: `python -m tench.serve`."""
