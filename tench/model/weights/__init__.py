"""Fetch and verify pretrained weights."""
