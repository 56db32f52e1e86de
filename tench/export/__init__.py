"""Export the classifier for other runtimes, verify each model, and describe the export."""
