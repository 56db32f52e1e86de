"""What people read: the report, comparisons of runs, and checks of dvc.lock."""
