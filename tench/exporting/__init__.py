"""Writing the classifier for other runtimes, scoring each of them, and describing it."""
