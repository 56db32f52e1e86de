"""The report as one HTML page, with its charts and templates."""
