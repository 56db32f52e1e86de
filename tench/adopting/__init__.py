"""A look at somebody's own pictures, and the parameters for them: `make adopt`."""
