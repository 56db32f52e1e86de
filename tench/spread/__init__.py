"""Where work is done: in threads here, or on the Ray cluster that RAY_ADDRESS names."""
