"""Assign images to train, val and test."""
