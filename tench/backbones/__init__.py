"""The list of backbones, and where one can be cut: `python -m tench.backbones`."""
