"""An HTTP server for an exported classifier: `python -m tench.serve`."""
