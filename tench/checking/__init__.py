"""Whether dvc.lock is of this code and parameters, without data: `python -m tench.checking`."""
