"""The report, comparisons of runs, and checks of dvc.lock."""
