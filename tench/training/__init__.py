"""Learning: the loop over epochs and steps, seeded, and what it writes of every epoch."""
