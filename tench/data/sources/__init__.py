"""Data sets that a stage obtains or generates."""
