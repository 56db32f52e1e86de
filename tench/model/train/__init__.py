"""The training loop, seeded by epoch, with checkpoints that resume bit for bit."""
