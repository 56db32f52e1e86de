"""Run the frozen base over every image once and cache its outputs."""
