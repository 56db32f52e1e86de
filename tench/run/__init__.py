"""How a stage runs: process setup, progress, records, costs, resume, verified inputs, recovery."""
