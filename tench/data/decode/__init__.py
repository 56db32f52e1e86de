"""Decode an image file, and resize it."""
