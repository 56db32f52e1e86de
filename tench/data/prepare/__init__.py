"""Decode and resize every raw image once, in packs."""
