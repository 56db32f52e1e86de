"""What people read: the page with its charts and templates, tables in the terminal, provenance."""
