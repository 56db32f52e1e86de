"""Where work runs: in threads on this machine, or as tasks of a Ray cluster."""
