"""Write the classifier for other runtimes, score each of them, and describe it."""
