"""How a stage meets its user: help, progress, messages, the record of a run. Changes no output."""
