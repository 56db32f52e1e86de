"""Scores, their statistics, and the files that hold them."""
