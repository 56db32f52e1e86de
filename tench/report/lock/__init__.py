"""Check that dvc.lock matches code and parameters: `python -m tench.report.lock`."""
