"""Around a stage: help, progress, messages, whether its inputs are whole, the record of a run."""
